# SPDX-License-Identifier: Apache-2.0
"""Stand-in weights of MetaPoint: the shared rule, with heads that move points farther."""

import numpy as np

from tests.golden.weights import scaled


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    value = scaled(name, shape, 1)
    return value * np.float32(1.6) if "point_heads" in name and name.endswith("weight") else value
