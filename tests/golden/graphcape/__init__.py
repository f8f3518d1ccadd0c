# SPDX-License-Identifier: Apache-2.0
"""Stand-in weights of GraphCape: CapeFormer's; three tables of Swin are computed, as they are released."""

import math

import numpy as np

from tests.golden import capeformer
from tests.golden.weights import scaled


def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("relative_coords_table"):
        return coords_table((shape[1] + 1) // 2)
    if name.endswith("relative_position_index"):
        return position_index(math.isqrt(shape[0]))
    if name.endswith("attn_mask"):
        return shift_mask(shape[0], math.isqrt(shape[1]))
    if name.endswith("logit_scale"):
        return scaled(name, shape, 1.2, math.log(10))  # some heads reach the clamp at log(100)
    return scaled(name, shape, capeformer.factor(name), capeformer.offset(name))


def coords_table(window: int) -> np.ndarray:
    away = np.arange(-(window - 1), window, dtype=np.float32) / np.float32(window - 1) * np.float32(8)
    away = np.sign(away) * np.log2(np.abs(away) + np.float32(1)) / np.float32(3)
    return np.stack(np.meshgrid(away, away, indexing="ij"), -1)[None].astype(np.float32)


def position_index(window: int) -> np.ndarray:
    y, x = (axis.reshape(-1) for axis in np.meshgrid(np.arange(window), np.arange(window), indexing="ij"))
    rows, columns = y[:, None] - y + window - 1, x[:, None] - x + window - 1
    return (rows * (2 * window - 1) + columns).astype(np.int64)


def shift_mask(windows: int, window: int) -> np.ndarray:
    """-100 between cells of a window that only the cyclic shift (by half a window) made neighbours."""
    side = round(math.sqrt(windows)) * window
    band = np.zeros(side, int)
    band[side - window :] = 1
    band[side - window // 2 :] = 2
    label = band[:, None] * 3 + band
    label = label.reshape(side // window, window, side // window, window).transpose(0, 2, 1, 3)
    label = label.reshape(windows, -1)
    return np.where(label[:, None] != label[:, :, None], -100, 0).astype(np.float32)
