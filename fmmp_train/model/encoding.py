# SPDX-License-Identifier: Apache-2.0
"""Sine codes of positions and of the keypoints' order."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

TEMPERATURE = 10000.0
SCALE = 2 * math.pi


def sine_code(positions: Tensor, dim: int) -> Tensor:
    """Encode positions (..., 2), x and y in [0, 1], as (..., dim): y before x, sine and cosine interleaved.

    Deformable DETR, arXiv:2010.04159, appendix A.4: dim / 2 features an axis at temperature 10000.
    """
    steps = torch.arange(dim // 2, dtype=torch.float32, device=positions.device)
    wavelengths = TEMPERATURE ** (2 * (steps // 2) / (dim // 2))
    angles = positions.flip(-1)[..., None] * SCALE / wavelengths  # (..., 2, dim / 2)
    return torch.stack((angles[..., 0::2].sin(), angles[..., 1::2].cos()), dim=-1).flatten(-3)


def order_code(count: int, dim: int) -> Tensor:
    """Code of a keypoint's index among `count`: (count, dim), the sine code of a grid of 1 x count cells."""
    return grid_code(1, count, dim)


def grid_code(height: int, width: int, dim: int) -> Tensor:
    """Code of the cells of a map, row by row: (height * width, dim).

    As released throughout the family: cell numbers, counted from 1, divided by the last one plus 1e-6.
    """
    y, x = (torch.arange(1, count + 1, dtype=torch.float32) / (count + 1e-6) for count in (height, width))
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return sine_code(torch.stack((columns, rows), dim=-1).flatten(0, 1), dim)


class PositionCode(nn.Module):
    """Embed points (..., 2) in [0, 1] as (..., dim): an MLP of their sine code."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))

    def forward(self, positions: Tensor) -> Tensor:
        """Embed `positions`; float32 whatever the rest of the network runs in."""
        return self.mlp(sine_code(positions, self.dim))
