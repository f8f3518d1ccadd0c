# SPDX-License-Identifier: Apache-2.0
"""SCAPE's blocks: keypoints gather what they are, then keypoints and cells read each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fmmp_train.model.attention import Attention


class FeedForward(nn.Sequential):
    """Pre-norm, GELU."""

    def __init__(self, dim: int) -> None:
        super().__init__(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))


class Gatherer(nn.Module):
    """Keypoint tokens read the tokens they were, the support's cells and the query's."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads, bias=False, output_bias=True)
        self.feed_forward = FeedForward(dim)

    def forward(self, x: Tensor, read: Tensor, hidden: Tensor) -> Tensor:
        """(B, K, C) -> (B, K, C); as released, what is `read` (B, N, C) isn't normed."""
        x = x + self.attention(self.norm(x), read, read, hidden)
        return x + self.feed_forward(x)


class Experts(nn.Module):
    """Attention logits among the keypoints, bent by gated experts: they see all K of a row, so K is fixed."""

    experts: Sequence[nn.Module]

    def __init__(self, head_dim: int, count: int, num_experts: int) -> None:
        super().__init__()
        self.add_module(
            "experts",
            nn.ModuleList(
                nn.Sequential(
                    nn.ReLU(),
                    nn.Linear(count, count // 2),
                    nn.ReLU(),
                    nn.Linear(count // 2, count),
                    nn.ReLU(),
                )
                for _ in range(num_experts)
            ),
        )
        self.gate = nn.Sequential(nn.Linear(head_dim, num_experts), nn.LayerNorm(num_experts))

    def forward(self, logits: Tensor, gates: Tensor) -> Tensor:
        """Logits (B, M, K, K), those of hidden keys very low, and gates (B, M, K, E) before their softmax."""
        bent = torch.stack([expert(logits) for expert in self.experts], dim=-1)  # (B, M, K, K, E)
        return logits + (bent * gates.softmax(-1)[..., None, :]).sum(-1)


class Block(nn.Module):
    """Keypoints and cells read each other; keypoints ask by other projections than cells."""

    def __init__(self, dim: int, num_heads: int, count: int, num_experts: int) -> None:
        super().__init__()
        self.num_heads, self.count = num_heads, count
        self.norm = nn.LayerNorm(dim)
        self.keypoint_query_key = nn.Linear(dim, 2 * dim, bias=False)
        self.cell_query_key = nn.Linear(dim, 2 * dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.output = nn.Linear(dim, dim)
        self.refiner = Experts(dim // num_heads, count, num_experts)
        self.feed_forward = FeedForward(dim)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """(B, K + N, C), keypoints first; `hidden` (B, 1, 1, K + N) is added to the logits."""
        batch, total, dim = x.shape
        count = self.count
        y = self.norm(x)
        both = torch.cat((self.keypoint_query_key(y[:, :count]), self.cell_query_key(y[:, count:])), dim=1)
        query, key = both.view(batch, total, 2, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        value = self.value(y).view(batch, total, self.num_heads, -1).transpose(1, 2)
        logits = query @ key.mT * (dim // self.num_heads) ** -0.5 + hidden
        rows = logits[:, :, :count]
        refined = self.refiner(rows[..., :count], self.gates(y))
        rows = torch.cat((refined, rows[..., count:]), dim=-1)
        logits = torch.cat((rows, logits[:, :, count:]), dim=2)
        read = (logits.softmax(-1) @ value).transpose(1, 2).reshape(batch, total, dim)
        x = x + self.output(read)
        return x + self.feed_forward(x)

    def gates(self, y: Tensor) -> Tensor:
        """Normed sequence (B, K + N, C) -> gates (B, M, K, E) before their softmax.

        As released, the sequence is reshaped into heads, not transposed: the gate of a head and keypoint is
        of a slice of quite another token.
        """
        slices = y.detach().reshape(len(y), self.num_heads, y.shape[1], -1)
        gates: Tensor = self.refiner.gate(slices[:, :, : self.count])
        return gates
