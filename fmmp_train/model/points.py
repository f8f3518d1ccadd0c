# SPDX-License-Identifier: Apache-2.0
"""Points in [0, 1]: the cells of a map, and how the layers of a decoder move points, by steps in logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

MIN_LOGIT = 1e-3  # a coordinate this near to 0 or 1 counts as being there


def point_head(dim: int) -> nn.Sequential:
    """MLP (B, K, C) -> (B, K, 2), a step in logits; the last layer starts at 0, so that nothing moves."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(dim, dim), nn.GELU()]
    last = nn.Linear(dim, 2)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def logit(points: Tensor) -> Tensor:
    """Inverse of the sigmoid, numerator and denominator at least `MIN_LOGIT`, as released."""
    return (points.clamp(min=MIN_LOGIT) / (1 - points).clamp(min=MIN_LOGIT)).log()


def cell_centres(height: int, width: int, like: Tensor) -> Tensor:
    """Centres (H*W, 2), x and y in [0, 1], of the cells of a map, row by row."""
    y = (torch.arange(height, dtype=torch.float32, device=like.device) + 0.5) / height
    x = (torch.arange(width, dtype=torch.float32, device=like.device) + 0.5) / width
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((columns, rows), dim=-1).flatten(0, 1)
