# SPDX-License-Identifier: Apache-2.0
"""Stand-in weights of POMNet: the shared rule, and what keeps the keypoints' tokens apart."""

import numpy as np

from tests.golden.weights import scaled


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("keypoint_head.query_proj.weight"):
        value = scaled(name, shape, 1)
        mean = value.astype(np.float64).mean(1, keepdims=True).astype(np.float32)
        return np.asarray((value - mean) * np.float32(2))
    value = scaled(name, shape, 1)
    if "transformer.decoder" in name and name.endswith(("out_proj.weight", "out_proj.bias")):
        value = value * np.float32(0.2)
    elif name == "keypoint_head.relation_model.conv.conv.weight":
        value[:, 256:] *= np.float32(3)
    elif "deconv_layers" in name and len(shape) == 4:
        value = value * np.float32(2)
    return value
