# SPDX-License-Identifier: Apache-2.0
"""Links with weights of their own, from a category's links and what its keypoints look like."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fmmp_train.model.attention import hide
from fmmp_train.model.capeformer.decoder import at_least_one
from fmmp_train.model.edgecape.layers import HOPS, TwoWayLayer

LEAST = 1e-8  # sum of a row that is divided by


class SkeletonHead(nn.Module):
    """Which keypoints are near each other, and by how much."""

    layers: Sequence[TwoWayLayer]

    def __init__(self, channels: int, dim: int, num_heads: int, hidden: int, num_layers: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, dim, 1)
        layers = (TwoWayLayer(dim, num_heads, hidden) for _ in range(num_layers))
        self.add_module("layers", nn.ModuleList(layers))
        self.likeness_weight = nn.Parameter(torch.zeros(()))
        self.likeness_bias = nn.Parameter(torch.zeros(()))

    def refine(
        self, tokens: Tensor, features: Tensor, linked: Tensor, visible: Tensor, cell_code: Tensor
    ) -> Tensor:
        """Tokens (B, S, K, C) that have seen each shot, of (B, K, C) and features (B * S, C', H, W)."""
        shots = len(features) // len(tokens)
        cells = self.projection(features).flatten(2).mT
        own = visible[..., None].to(tokens.dtype)
        x, own, share, hidden = (
            each[:, None].expand(-1, shots, *each.shape[1:]).flatten(0, 1)
            for each in (tokens, own, normalise_rows(linked).mT, hide(at_least_one(visible)))
        )
        for layer in self.layers:
            x, cells = layer.both(x, cells, cell_code, hidden, (own, share))
        return x.view(-1, shots, *x.shape[1:])

    def weigh(self, refined: Tensor, linked: Tensor, visible: Tensor) -> Tensor:
        """Adjacency (B, K, K) of refined tokens (B, K, C); its rows sum to 1, those of hidden ones to 0."""
        length = refined.square().sum(-1, keepdim=True).sqrt()
        direction = refined / length.clamp(min=LEAST)
        likeness = direction @ direction.mT
        weights = (linked + self.likeness_weight * likeness + self.likeness_bias).relu()
        return normalise_rows(weights * between(visible, weights))


def between(visible: Tensor, like: Tensor) -> Tensor:
    """(B, K, K), 1 where both keypoints are visible (B, K)."""
    shown = visible.to(like.dtype)
    return shown[:, :, None] * shown[:, None]


def normalise_rows(matrix: Tensor) -> Tensor:
    """Rows (B, K, K) that sum to 1; those of nothing stay 0."""
    return matrix / matrix.sum(-1, keepdim=True).clamp(min=LEAST)


def hops(adjacency: Tensor) -> Tensor:
    """Powers 0 to 4 of an adjacency (B, K, K), the first the identity: (B, K, K, 5)."""
    steps = normalise_rows(adjacency)
    powers = [torch.eye(steps.shape[-1], dtype=steps.dtype, device=steps.device).expand_as(steps)]
    for _ in range(HOPS - 1):
        powers.append(powers[-1] @ steps)
    return torch.stack(powers, dim=-1)
