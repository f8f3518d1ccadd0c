# SPDX-License-Identifier: Apache-2.0
"""Support keypoints as heat maps, and the feature of each: a mean of the image's, weighted by its map.

All of the family but FMMP describe a support keypoint so. A Gaussian is a product of one profile for each
axis, and so is bilinear resizing: the maps of 64 x 64 cells and the features at that size need not be made.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

CELLS = 64  # of a heat map, both sides


class Heatmaps(NamedTuple):
    """Heat maps as products of their profiles."""

    columns: Tensor  # (..., K, 64), along x; 0 for a hidden keypoint
    rows: Tensor  # (..., K, 64), along y
    shown: Tensor  # (..., K) bool: visible, and its patch touches the map

    def maps(self) -> Tensor:
        """(..., K, 64, 64), indexed by row and column; 1 at the keypoint's cell."""
        return self.rows[..., :, None] * self.columns[..., None, :]


def draw_heatmaps(keypoints: Tensor, visible: Tensor, *, sigma: int, image_size: int) -> Heatmaps:
    """Gaussians around the nearest cells of keypoints (..., K, 2) in [0, 1], `visible` (..., K) bool.

    As released: the cell is rounded by truncation, the patch ends after 3 sigma, and a keypoint whose patch
    misses the map counts as hidden, but for one cell more on the near sides, whose map is then empty.
    """
    centre = (keypoints * image_size / (image_size / CELLS) + 0.5).trunc()[..., None]  # (..., K, 2, 1), cells
    radius = 3 * sigma
    misses = (centre - radius >= CELLS) | (centre + radius + 1 < 0)
    shown = visible & ~misses.any(-2)[..., 0]
    away = torch.arange(CELLS, dtype=keypoints.dtype, device=keypoints.device) - centre  # (..., K, 2, 64)
    profile = torch.where(away.abs() <= radius, (-away.square() / (2 * sigma**2)).exp(), 0.0)
    profile = profile * shown[..., None, None].to(profile.dtype)
    return Heatmaps(profile[..., 0, :], profile[..., 1, :], shown)


def pool_features(features: Tensor, heatmaps: Heatmaps, *, least: float = 1e-8) -> Tensor:
    """Mean of features (N, C, H, W), resized bilinearly to the maps, by each map (N, K) -> (N, K, C).

    0 for an empty map. `least` is the least sum of a map that is divided by: the exporter drops an addend
    as small as the released code's.
    """
    height, width = features.shape[-2:]
    rows = heatmaps.rows @ _spread(height, features)  # (N, K, H): what each row of the features counts
    columns = heatmaps.columns @ _spread(width, features)  # (N, K, W)
    total = (heatmaps.rows.sum(-1) * heatmaps.columns.sum(-1)).clamp(min=least)  # (N, K)
    weights = rows[..., :, None] * columns[..., None, :] / total[..., None, None]  # (N, K, H, W)
    return weights.flatten(2) @ features.flatten(2).mT


def _spread(size: int, like: Tensor) -> Tensor:
    """(64, size): what each of `size` cells counts in each of the 64 that they are resized to."""
    one = torch.eye(size, dtype=like.dtype, device=like.device)[None]
    return F.interpolate(one, size=CELLS, mode="linear")[0].mT


def decode_heatmaps(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Points (..., K, 2) and peaks (..., K) of answers (..., K, 64, 64): mmpose's default rule.

    The first largest cell, moved a quarter of a cell towards the larger neighbour of each axis where it isn't
    at the border; a point is cell / 64, without half a cell. Where the peak isn't above 0 it is -1 / 64.
    """
    size = maps.shape[-1]
    flat = maps.flatten(-2)
    peak, best = flat.max(-1)
    x, y = best % size, best // size
    inside = (x > 1) & (x < size - 1) & (y > 1) & (y < size - 1)

    def at(dx: int, dy: int) -> Tensor:
        cell = (y + dy).clamp(0, size - 1) * size + (x + dx).clamp(0, size - 1)
        return flat.gather(-1, cell[..., None])[..., 0]

    slope = torch.stack((at(1, 0) - at(-1, 0), at(0, 1) - at(0, -1)), dim=-1)
    shift = 0.25 * slope.sign() * inside[..., None].to(maps.dtype)
    cells = torch.stack((x, y), dim=-1).to(maps.dtype) + shift
    return torch.where((peak > 0)[..., None], cells, -1.0) / size, peak
