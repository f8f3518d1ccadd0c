# SPDX-License-Identifier: Apache-2.0
"""The fine-grained and structure-aware feature miner: FMMP, section 3.3."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fmmp_train.model.config import ModelConfig
from fmmp_train.model.structure import STRUCTURES, DeformableAttention, FullStructure, neighbour_points

HIDDEN = -1e4  # added to the logit of a hidden key: its weight is 0 in float32 and in half, and never NaN


class SelfAttention(nn.Module):
    """Multi-head attention among the keypoints; positions enter queries and keys, not values."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query_key = nn.Linear(dim, 2 * dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor, position: Tensor, visible: Tensor | None) -> Tensor:
        """Attend among `x` (B, K, C); keys that are not `visible` (B, K) count nothing.

        Where no key is visible all count alike, so that the output stays finite.
        """
        batch, count, dim = x.shape
        query, key = (
            self.query_key(x + position).view(batch, count, 2, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        )
        value = self.value(x).view(batch, count, self.num_heads, -1).transpose(1, 2)
        mask = None
        if visible is not None:
            mask = torch.where(visible, 0.0, HIDDEN)[:, None, None]  # (B, 1, 1, K)
            mask = mask.to(x.dtype).expand(batch, 1, count, count)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.output(attended.transpose(1, 2).reshape(batch, count, dim))


class FeedForward(nn.Module):
    """Two linear layers of the same width with a ReLU between, a residual and a post-norm."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, dim)
        self.linear2 = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, C) -> (B, K, C)."""
        return self.norm(x + self.linear2(self.linear1(x).relu()))


class Miner(nn.Module):
    """Let keypoints talk to each other, then read the image around themselves and their neighbours."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config.dim, config.num_heads)
        self.self_norm = nn.LayerNorm(config.dim)
        self.self_feed_forward = FeedForward(config.dim)
        self.structure = STRUCTURES[config.structure](
            config.dim, config.num_heads, config.num_points, config.spatial_shapes
        )
        self.norm = nn.LayerNorm(config.dim)
        self.feed_forward = FeedForward(config.dim)

    @property
    def deformable_attention(self) -> DeformableAttention:
        """An attention over the pyramid, for its level shapes."""
        attention = self.structure
        while isinstance(attention, FullStructure):
            attention = attention.heads[0]
        assert isinstance(attention, DeformableAttention)
        return attention

    def forward(
        self,
        x: Tensor,
        tokens: Tensor,
        points: Tensor,
        position: Tensor,
        reference_index: Tensor,
        visible: Tensor | None = None,
    ) -> Tensor:
        """Mine `tokens` (B, N, C) for the keypoint features `x` (B, K, C) -> (B, K, C): FMMP, Eq. (7).

        Args:
            x: (B, K, C).
            tokens: (B, N, C) of the image to read.
            points: (B, K, 2) in [0, 1], where the keypoints are in it.
            position: (B, K, C), order code plus position code of `points`.
            reference_index: (B, K, M) int64, breadth-first neighbours.
            visible: (B, K) bool, keypoints that others may attend to; None, all of them.
        """
        x = self.self_norm(x + self.self_attention(x, position, visible))
        x = self.self_feed_forward(x)
        x = self.norm(x + self.structure(x + position, neighbour_points(points, reference_index), tokens))
        return self.feed_forward(x)
