# SPDX-License-Identifier: Apache-2.0
"""Stand-in weights of ESCAPE: the shared rule, long super-keypoints and features that are mostly 0."""

import numpy as np

from tests.golden.weights import scaled


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    factor = {"keypoint_head.superkeypoints": 32.0, "keypoint_head.omega": 16.0}.get(name, 1.0)
    # Sparser features, or every keypoint peaks at one cell.
    offset = -1.0 if name == "deconv.deconv_layers.7.bias" else 0.0
    return scaled(name, shape, factor, offset)
