# SPDX-License-Identifier: Apache-2.0
"""EdgeCape's decoder layers: one that knows how far keypoints are apart, one in which the cells answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fmmp_train.model.attention import Attention
from fmmp_train.model.capeformer.decoder import DecoderLayer
from fmmp_train.model.graphcape.graph import GraphFeedForward

HOPS = 5  # powers of the links, from none
_INSIDE = 12  # channels of what is made of them


class EdgeLayer(DecoderLayer):
    """A decoder layer whose self-attention is told by how many steps keypoints are linked."""

    def __init__(self, dim: int, num_heads: int, hidden: int) -> None:
        super().__init__(dim, num_heads, GraphFeedForward(dim, hidden))
        self.distance = nn.Sequential(nn.Linear(HOPS, _INSIDE), nn.ReLU(), nn.Linear(_INSIDE, num_heads))

    def forward(
        self, x: Tensor, place: Tensor, cells: Tensor, keys: Tensor, hidden: Tensor, links: tuple[Tensor, ...]
    ) -> Tensor:
        """Refine the keypoints once; `links` are those of `GraphFeedForward` and hops (B, K, K, 5)."""
        own, share, hops = links
        added = hidden + self.distance(hops).permute(0, 3, 1, 2)  # (B, M, K, K)
        x = self.norm1(x + self.self_attention(x, x, x, added))
        return self.read(x, place, cells, keys, (own, share))


class TwoWayLayer(DecoderLayer):
    """A decoder layer after which the cells read the keypoints too."""

    def __init__(self, dim: int, num_heads: int, hidden: int) -> None:
        super().__init__(dim, num_heads, GraphFeedForward(dim, hidden))
        self.answer = Attention(2 * dim, num_heads, widths=(2 * dim, 2 * dim, dim))
        self.answer_choker = nn.Linear(2 * dim, dim)
        self.norm4 = nn.LayerNorm(dim)

    def both(
        self, x: Tensor, cells: Tensor, cell_code: Tensor, hidden: Tensor, links: tuple[Tensor, ...]
    ) -> tuple[Tensor, Tensor]:
        """Keypoints (B, K, C) without a place, and cells (B, N, C), which read hidden keypoints too."""
        nowhere = torch.zeros_like(x)
        keys = torch.cat((cells, cell_code.expand_as(cells)), dim=-1)
        x = self(x, nowhere, cells, keys, hidden, links)
        read = self.answer(keys, torch.cat((x, nowhere), dim=-1), x)
        return x, self.norm4(cells + self.answer_choker(read))
