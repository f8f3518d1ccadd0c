# SPDX-License-Identifier: Apache-2.0
"""Stand-in weights of EdgeCape: the shared rule, then a factor by name."""

import numpy as np

from tests.golden.weights import scaled

_HEAD = "keypoint_head_module."


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The one backbone stands twice in the file: both copies get the values of the first name."""
    name = name.replace("encoder_query.", "encoder_sample.")
    return scaled(name, shape, factor(name))


def factor(name: str) -> float:
    whole = {"encoder_sample.pos_embed": 256.0}
    whole |= dict.fromkeys((f"{_HEAD}input_proj.weight", f"{_HEAD}query_proj.weight"), 2.0)
    if name in whole:
        return whole[name]
    if name.startswith(f"{_HEAD}kpt_branch.") and name.endswith(".mlp.6.weight"):
        return 0.3
    for end, value in _FACTORS.items():
        if name.endswith(end):
            return value
    return 1.0


_FACTORS = {
    ".ls1.gamma": 0.1,
    ".ls2.gamma": 0.1,
    "markov_structural_mlp.3.weight": 8.0,
    "ffn1.conv.weight": 2.0,
    "zero_conv.weight": 0.25,
}
