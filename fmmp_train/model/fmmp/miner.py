# SPDX-License-Identifier: Apache-2.0
"""The fine-grained and structure-aware feature miner: FMMP, section 3.3."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from fmmp_train.model.fmmp.config import ModelConfig
from fmmp_train.model.fmmp.structure import Plan, Structure, create_structure


class SelfAttention(nn.Module):
    """Multi-head attention among the keypoints; positions enter queries and keys, not values."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query_key = nn.Linear(dim, 2 * dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, x: Tensor, position: Tensor, hidden: Tensor | None) -> Tensor:
        """Attend among `x` (B, K, C); `hidden` (B, 1, 1, K) of `hide` is added to the logits of the keys."""
        batch, count, dim = x.shape
        query, key = (
            self.query_key(x + position).view(batch, count, 2, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        )
        value = self.value(x).view(batch, count, self.num_heads, -1).transpose(1, 2)
        mask = None if hidden is None else hidden.to(x.dtype).expand(batch, 1, count, count)
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


class Prepared(NamedTuple):
    """Keypoint features that have talked to each other and know what to read: a miner up to its image."""

    x: Tensor  # (B, K, C)
    plan: Plan


class Miner(nn.Module):
    """Let keypoints talk to each other, then read the image around themselves and their neighbours.

    FMMP, section 3.3, in two parts: `prepare` needs no image, `forward` reads one.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config.dim, config.inner_heads)
        self.self_norm = nn.LayerNorm(config.dim)
        self.self_feed_forward = FeedForward(config.dim)
        self.structure: Structure = create_structure(config)
        self.norm = nn.LayerNorm(config.dim)
        self.feed_forward = FeedForward(config.dim)

    def prepare(self, x: Tensor, position: Tensor, hidden: Tensor | None = None) -> Prepared:
        """Let the keypoint features `x` (B, K, C) talk.

        Args:
            x: (B, K, C).
            position: (B, K, C), order code plus position code of where the keypoints are.
            hidden: (B, 1, 1, K) of `hide`; None, all may be attended to.
        """
        x = self.self_norm(x + self.self_attention(x, position, hidden))
        x = self.self_feed_forward(x)
        return Prepared(x, self.structure.plan(x + position))

    def forward(self, prepared: Prepared, reference_points: Tensor, memory: Tensor) -> Tensor:
        """Read `memory`, which `structure.memory` made of the image, -> (B, K, C): FMMP, Eq. (7).

        Args:
            prepared: of `prepare`.
            reference_points: (B, K, M, 2) in [0, 1], breadth-first neighbours of each keypoint.
            memory: (B, N, ...).
        """
        x = self.norm(prepared.x + self.structure(prepared.plan, reference_points, memory))
        return self.feed_forward(x)
