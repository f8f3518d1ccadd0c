# SPDX-License-Identifier: Apache-2.0
"""The encoder of CapeFormer and those after it: a query's cells and a support's keypoints, together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fmmp_train.model.attention import Attention, hide


class FeedForward(nn.Module):
    """Two linear layers with a ReLU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, hidden)
        self.linear2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return self.linear2(self.linear1(x).relu())


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with a residual and a post-norm."""

    def __init__(self, dim: int, num_heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(dim, num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, hidden)
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, x: Tensor, code: Tensor, added: Tensor) -> Tensor:
        """As released: the code enters the stream itself, hence values and residual, in every layer."""
        x = x + code
        x = self.norm1(x + self.attention(x, x, x, added))
        return self.norm2(x + self.feed_forward(x))


class JointEncoder(nn.Module):
    """As many layers as wished, without a norm at the end."""

    layers: Sequence[EncoderLayer]

    def __init__(self, dim: int, num_heads: int, hidden: int, num_layers: int) -> None:
        super().__init__()
        self.add_module(
            "layers", nn.ModuleList(EncoderLayer(dim, num_heads, hidden) for _ in range(num_layers))
        )

    def forward(
        self, cells: Tensor, keypoints: Tensor, visible: Tensor, cell_code: Tensor, order: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let cells (B, N, C) and keypoints (B, K, C) read each other; hidden keypoints aren't read.

        Args:
            cells: (B, N, C), row by row.
            keypoints: (B, K, C).
            visible: (B, K) bool.
            cell_code: (N, C).
            order: (K, C), code of the keypoints; 0 where their order shall not count.
        """
        count = cells.shape[1]
        x = torch.cat((cells, keypoints), dim=1)
        code = torch.cat((cell_code, order))
        added = hide(torch.cat((torch.ones_like(cells[..., 0], dtype=torch.bool), visible), dim=1))
        for layer in self.layers:
            x = layer(x, code, added)
        return x[:, :count], x[:, count:]
