# SPDX-License-Identifier: Apache-2.0
"""Which super-keypoints a support's keypoints are: a graph attention network between the two."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fmmp_train.model.attention import Attention

HEAD = 64  # channels of a head, more than the stream has for each
LARGEST = 100.0  # length of a super-keypoint's feature


class SelfAttention(nn.Module):
    """Pre-norm, no mask: hidden keypoints take part, so K counts."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = _attention(dim, num_heads)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, C) -> what is added to it."""
        x = self.norm(x)
        return self.attention(x, x, x)


class CrossAttention(nn.Module):
    """Pre-norm, one norm for who reads and what is read."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = _attention(dim, num_heads)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """(B, K, C) reads (B, N, C) -> what is added to it."""
        y = self.norm(y)
        return self.attention(self.norm(x), y, y)


class FeedForward(nn.Sequential):
    """Pre-norm, GELU."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__(nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class Layer(nn.Module):
    """Keypoints and super-keypoints among themselves, then each other at once."""

    def __init__(self, dim: int, num_heads: int, hidden: int) -> None:
        super().__init__()
        self.self_x, self.self_y = (SelfAttention(dim, num_heads) for _ in range(2))
        self.cross_x, self.cross_y = (CrossAttention(dim, num_heads) for _ in range(2))
        self.inner_x, self.inner_y, self.outer_x, self.outer_y = (FeedForward(dim, hidden) for _ in range(4))

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (B, K, C), super-keypoints (B or 1, N, C) -> the same, (B, ...)."""
        x = x + self.self_x(x)
        x = x + self.inner_x(x)
        y = y + self.self_y(y)
        y = y + self.inner_y(y)
        y = y.expand(len(x), -1, -1)
        x, y = x + self.cross_x(x, y), y + self.cross_y(y, x)
        return x + _unit(self.outer_x(x)), y + _unit(self.outer_y(y))


class Matcher(nn.Module):
    """Scores of keypoints against super-keypoints."""

    positions: Tensor
    layers: Sequence[Layer]

    def __init__(self, dim: int, num_heads: int, hidden: int, num_layers: int, cells: int) -> None:
        """`cells` is how many positions a keypoint may have, more than there are super-keypoints."""
        super().__init__()
        self.embed_x, self.embed_y = (
            nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.LayerNorm(dim)) for _ in range(2)
        )
        self.add_module("layers", nn.ModuleList(Layer(dim, num_heads, hidden) for _ in range(num_layers)))
        self.register_buffer("positions", number_code(cells, dim), persistent=False)

    def embed(self, keypoints: Tensor, cell: Tensor, shown: Tensor, omega: Tensor) -> tuple[Tensor, Tensor]:
        """Both sides with what says where they are.

        Args:
            keypoints: (B, K, C) features.
            cell: (B, K) int64, number of the heat map's cell that it is in, row by row.
            shown: (B, K) bool.
            omega: (N, C), what super-keypoints are known by.
        """
        place = (self.positions[cell] + 1) * shown[..., None].to(keypoints.dtype)  # as released: the 1 too
        return self.embed_x(keypoints) + place, (self.embed_y(omega) + self.positions[: len(omega)])[None]

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """What `embed` made -> features (B, K, C) and (B, N, C)."""
        for layer in self.layers:
            x, y = layer(x, y)
        return x, y

    def scores(self, x: Tensor, y: Tensor) -> Tensor:
        """Likeness (B, K, N) of features (B, K, C) and (B, N, C), these kept from growing."""
        longest = y.square().sum(-1).amax(-1).sqrt()[:, None, None]
        y = y * (LARGEST / longest.clamp(min=LARGEST))
        return x @ y.mT / x.shape[-1] ** 0.5


def number_code(count: int, dim: int) -> Tensor:
    """Code of the numbers 0, 1, ...: (count, dim), sines and then cosines, wavelengths 2 pi to 20000 pi."""
    half = dim // 2
    # Numbers reach 4095, and float32 rounds a rate: in another order of operations a prototype moves by 5e-5.
    rates = 1 / 10000.0 ** (torch.arange(half, dtype=torch.float32) / (half - 1))
    angles = torch.arange(count, dtype=torch.float32)[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


def _attention(dim: int, num_heads: int) -> Attention:
    return Attention(HEAD * num_heads, num_heads, widths=(dim, dim, dim), output=dim, bias=False)


def _unit(x: Tensor) -> Tensor:
    return nn.functional.normalize(x, dim=-1)
