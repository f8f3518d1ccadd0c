# SPDX-License-Identifier: Apache-2.0
"""Linked keypoints tell each other what they know: the graph feed-forward of GraphCape's decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def spread_links(links: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """What a visible keypoint keeps of itself, and what it gives to each other.

    Args:
        links: (B, K, K) bool, symmetric.
        visible: (B, K) bool.

    Returns:
        (B, K, 1), 1 where visible, and (B, K, K) of giver and taker: as released, the giver's share is one
        over the number of *its* visible neighbours; 0 where it has none.
    """
    shown = visible.to(torch.float32)
    linked = links.to(torch.float32) * shown[:, :, None] * shown[:, None]
    degree = linked.sum(-1, keepdim=True)
    return shown[..., None], linked / degree.clamp(min=1)


class GraphFeedForward(nn.Module):
    """A layer of own and of neighbours' parts with a ReLU, then a linear one."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.own = nn.Linear(dim, hidden)
        self.neighbour = nn.Linear(dim, hidden)
        self.output = nn.Linear(hidden, dim)

    def mix(self, x: Tensor, own: Tensor, share: Tensor) -> Tensor:
        """(B, K, C) -> (B, K, hidden), after the ReLU."""
        mixed: Tensor = (own * self.own(x) + share.mT @ self.neighbour(x)).relu()
        return mixed

    def forward(self, x: Tensor, own: Tensor, share: Tensor) -> Tensor:
        """(B, K, C) -> (B, K, C), with what `spread_links` made of the links."""
        return self.output(self.mix(x, own, share))
