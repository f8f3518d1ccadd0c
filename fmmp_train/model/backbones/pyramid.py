# SPDX-License-Identifier: Apache-2.0
"""From the maps of a backbone to the multi-scale tokens that everything else reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Pyramid(nn.Module):
    """Top-down feature pyramid as released: 1x1 convolutions, nearest upsampling, no smoothing."""

    def __init__(self, channels: Sequence[int], dim: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, dim, 1) for count in reversed(channels))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Maps (B, C_l, H_l, W_l) of strides 8, 16, 32 -> maps (B, dim, H_l, W_l), coarse to fine."""
        coarse_to_fine = list(reversed(features))
        levels = [self.lateral[0](coarse_to_fine[0])]
        for project, feature in zip(list(self.lateral)[1:], coarse_to_fine[1:], strict=True):
            levels.append(F.interpolate(levels[-1], scale_factor=2.0, mode="nearest") + project(feature))
        return levels


def tokens_of(levels: Sequence[Tensor]) -> Tensor:
    """Maps (B, C, H_l, W_l) -> tokens (B, N, C): levels one after the other, row by row."""
    return torch.cat([level.flatten(2) for level in levels], dim=-1).transpose(1, 2)
