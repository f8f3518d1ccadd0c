# SPDX-License-Identifier: Apache-2.0
"""Stand-in weights of CapeFormer and of GraphCape: the shared rule, then a factor and an offset by name.

They keep content above position, attention sharp and the last sigmoid out of saturation; without them nearly
all keypoints get the same answer.
"""

import numpy as np

from tests.golden.weights import scaled

_THIRD = 1 / 3


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The one backbone stands twice in the file: both copies get the values of the first name."""
    name = name.replace("encoder_query.", "encoder_sample.")
    return scaled(name, shape, factor(name), offset(name))


def offset(name: str) -> float:
    return -0.5 if ".layer4." in name and name.endswith("bn3.bias") else 0.0


def factor(name: str) -> float:
    """The first rule that fits."""
    if "kpt_branch" in name and name.endswith("weight"):
        return 1.25 if "mlp.6" in name else 0.625
    if "transformer.encoder.layers." in name and ".norm" in name:
        return 3.0
    if name.endswith("self_attn.in_proj_weight"):
        is_sharp = any(
            part in name for part in ("encoder.layers.0.", "decoder.layers.1.", "decoder.layers.2.")
        )
        return 2.0 if is_sharp else 2 * _THIRD
    if "transformer.encoder.layers." in name and name.endswith("linear1.weight"):
        return _THIRD
    for ends, value in _FACTORS:
        if name.endswith(ends):
            return value
    return 1.0


_FACTORS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("keypoint_head.query_proj.weight",), 9.0),
    (("keypoint_head.input_proj.weight",), 2.0),
    (("proposal_generator.support_proj.weight", "proposal_generator.query_proj.weight"), _THIRD),
    (("multihead_attn.q_proj_weight",), 2.0),
    (("multihead_attn.k_proj_weight",), 2 * _THIRD),
    (("out_proj.weight", "linear2.weight", "ffn2.weight"), 0.5),
)
