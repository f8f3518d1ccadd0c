# SPDX-License-Identifier: Apache-2.0
"""The decoder of CapeFormer and GraphCape: keypoints read the query around where they are thought to be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_train.model.attention import Attention, hide
from fmmp_train.model.encoding import sine_code
from fmmp_train.model.points import logit, point_head


class DecoderLayer(nn.Module):
    """Self-attention, a look at the cells and a feed-forward layer, each with a residual and a post-norm."""

    def __init__(self, dim: int, num_heads: int, feed_forward: nn.Module) -> None:
        super().__init__()
        self.self_attention = Attention(dim, num_heads)
        self.norm1 = nn.LayerNorm(dim)
        # Content and place stand side by side in queries and keys.
        self.cross_attention = Attention(2 * dim, num_heads, widths=(2 * dim, 2 * dim, dim))
        self.choker = nn.Linear(2 * dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.feed_forward = feed_forward
        self.norm3 = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, place: Tensor, cells: Tensor, keys: Tensor, hidden: Tensor, links: tuple[Tensor, ...]
    ) -> Tensor:
        """Keypoints `x` (B, K, C) at `place` (B, K, C) read `cells` (B, N, C) by `keys` (B, N, 2 C)."""
        asking = x + place
        x = self.norm1(x + self.self_attention(asking, asking, x, hidden))
        return self.read(x, place, cells, keys, links)

    def read(
        self, x: Tensor, place: Tensor, cells: Tensor, keys: Tensor, links: tuple[Tensor, ...]
    ) -> Tensor:
        """What follows the self-attention: the keypoints look at the image, then the feed-forward."""
        read = self.cross_attention(torch.cat((x, place), dim=-1), keys, cells)
        x = self.norm2(x + self.choker(read))
        return self.norm3(x + self.feed_forward(x, *links))


class Decoded(NamedTuple):
    """What a decoder found."""

    points: Tensor  # (L, B, K, 2) in [0, 1], the answers of the layers: of their normed states
    trail: Tensor  # (L + 1, B, K, 2), where the layers looked: of the states as they are
    states: Tensor  # (L, B, K, C)


class Decoder(nn.Module):
    """Layers that move points by steps in logits."""

    layers: Sequence[DecoderLayer]

    def __init__(self, dim: int, layers: Sequence[DecoderLayer]) -> None:
        super().__init__()
        self.dim = dim
        self.add_module("layers", nn.ModuleList(layers))
        self.place = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, dim))
        self.norm = nn.LayerNorm(dim)
        self.point_heads = nn.ModuleList(point_head(dim) for _ in layers)

    def forward(
        self,
        x: Tensor,
        points: Tensor,
        visible: Tensor,
        cells: Tensor,
        cell_code: Tensor,
        order: Tensor,
        links: tuple[Tensor, ...] = (),
    ) -> Decoded:
        """Refine `points` (B, K, 2) of the keypoints `x` (B, K, C) by the cells (B, N, C) of the query.

        Args:
            x: (B, K, C).
            points: (B, K, 2) in [0, 1].
            visible: (B, K) bool.
            cells: (B, N, C), row by row.
            cell_code: (N, C).
            order: (K, C).
            links: what the feed-forward layers read beside their input.
        """
        keys = torch.cat((cells, cell_code.expand_as(cells)), dim=-1)
        hidden = hide(visible)
        answers, trail, states = [], [points], []
        for layer, head in zip(self.layers, self.point_heads, strict=True):
            place = self.place(sine_code(points, self.dim)) + order
            x = layer(x, place, cells, keys, hidden, links)
            start = logit(points)  # once: the exporter makes a broken graph of two
            # As released: the answer is read off the normed state, the next layer's points off the state.
            answers.append((start + head(self.norm(x))).sigmoid())
            points = (start + head(x)).sigmoid().detach()
            trail.append(points)
            states.append(x)
        return Decoded(torch.stack(answers), torch.stack(trail), torch.stack(states))


def at_least_one(visible: Tensor) -> Tensor:
    """`visible` (B, K) bool, but the first keypoint where all are hidden: attention needs a key."""
    first = torch.arange(visible.shape[-1], device=visible.device) == 0
    return visible | (first & ~visible.any(-1, keepdim=True))
