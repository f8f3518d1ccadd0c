# SPDX-License-Identifier: Apache-2.0
"""First points of CapeFormer and those after it: the cells that a keypoint is most similar to."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_train.model.points import cell_centres


class Proposals(NamedTuple):
    """Where keypoints may be."""

    points: Tensor  # (B, K, 2) in [0, 1]: mean over the 3 x 3 cells around the most similar one
    spread: Tensor  # (B, K, 2) in [0, 1]: mean over all cells; the loss looks at it
    similarity: Tensor  # (B, K, N)


class ProposalGenerator(nn.Module):
    """Keypoint features times a gate of their own, compared with all cells."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.support = nn.Linear(dim, dim)
        self.query = nn.Linear(dim, dim)
        self.gate = nn.Sequential(nn.Linear(dim, dim // 2), nn.ReLU(), nn.Linear(dim // 2, dim))

    def forward(self, keypoints: Tensor, cells: Tensor, size: tuple[int, int]) -> Proposals:
        """Keypoints (B, K, C) and cells (B, H * W, C), `size` being H and W."""
        sought = self.support(keypoints)
        sought = sought * (1 + self.gate(sought).tanh())
        similarity = sought @ self.query(cells).mT  # (B, K, N)
        centres, number = cell_centres(*size, cells).to(cells.dtype), _numbers(size, cells)
        best = number[similarity.argmax(-1)]  # (B, K, 2), first of equals
        is_near = ((number - best[:, :, None]).abs() <= 1).all(-1)  # (B, K, N)
        local = torch.where(is_near, similarity, -torch.inf)
        return Proposals(local.softmax(-1) @ centres, similarity.softmax(-1) @ centres, similarity)


def _numbers(size: tuple[int, int], like: Tensor) -> Tensor:
    """Column and row of the cells of a map, (N, 2), row by row."""
    height, width = size
    rows, columns = torch.meshgrid(
        torch.arange(height, device=like.device), torch.arange(width, device=like.device), indexing="ij"
    )
    return torch.stack((columns, rows), dim=-1).flatten(0, 1)
