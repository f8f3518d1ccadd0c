# SPDX-License-Identifier: Apache-2.0
"""Stand-in weights of SCAPE: the shared rule, a code of cells that is noise, and answers near the crop."""

import numpy as np

from tests.golden.weights import scaled


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    factors = {"keypoint_head.pos_embedding": 128 / 3, "keypoint_head.mlp_head.layers.1.weight": 0.2}
    return scaled(name, shape, factors.get(name, 1.0))
