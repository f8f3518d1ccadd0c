# SPDX-License-Identifier: Apache-2.0
"""From images to the multi-scale tokens that everything else reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDES = (8, 16, 32)


def create_backbone(name: str) -> nn.Module:
    """Build timm's `name` as a feature extractor with random weights: images -> maps of strides 8, 16, 32.

    Weights come from a checkpoint, never from the network.

    Raises:
        ValueError: timm has no such model, or it has no feature maps of these strides.
    """
    try:
        info: Any = timm.create_model(name, features_only=True, pretrained=False).feature_info
        reductions: list[int] = info.reduction()
    except (RuntimeError, AttributeError) as error:
        raise ValueError(f"backbone {name!r} is no timm model with feature maps: {error}") from error
    if missing := sorted(set(STRIDES) - set(reductions)):
        raise ValueError(f"backbone {name!r} has feature maps of strides {reductions}; missing {missing}")
    indices = [reductions.index(stride) for stride in STRIDES]
    backbone: nn.Module = timm.create_model(name, features_only=True, pretrained=False, out_indices=indices)
    return backbone


def feature_channels(backbone: nn.Module) -> list[int]:
    """Channels of its maps, fine to coarse."""
    info: Any = backbone.feature_info
    channels: list[int] = info.channels()
    return channels


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
