# SPDX-License-Identifier: Apache-2.0
"""Structure-aware deformable attention: each head reads around a keypoint's neighbour in the skeleton."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fmmp_train.model.deform_attn import ms_deform_attn


def neighbour_points(points: Tensor, reference_index: Tensor) -> Tensor:
    """Points (B, K, 2), breadth-first indices (B, K, M) -> reference points (B, K, M, 2): FMMP, Eq. (7)."""
    batch, count, heads = reference_index.shape
    index = reference_index.reshape(batch, count * heads, 1).expand(-1, -1, 2)
    return points.gather(1, index).view(batch, count, heads, 2)


class DeformableAttention(nn.Module):
    """Multi-head deformable attention whose head m reads around reference point m: (B, K, C) -> (B, K, C)."""

    spatial_shapes: Tensor
    level_start_index: Tensor
    cells_xy: Tensor

    def __init__(
        self, dim: int, num_heads: int, num_points: int, spatial_shapes: tuple[tuple[int, int], ...]
    ) -> None:
        super().__init__()
        self.grid = (num_heads, len(spatial_shapes), num_points)
        reads = math.prod(self.grid)
        self.sampling_offsets = nn.Linear(dim, reads * 2)
        self.attention_weights = nn.Linear(dim, reads)
        self.value_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)
        shapes = torch.tensor(spatial_shapes, dtype=torch.int32)
        starts = F.pad(shapes.prod(-1).cumsum(0)[:-1], (1, 0)).int()
        self.register_buffer("spatial_shapes", shapes, persistent=False)
        self.register_buffer("level_start_index", starts, persistent=False)
        self.register_buffer("cells_xy", shapes.flip(-1).float(), persistent=False)  # (H, W) -> (W, H)
        self._reset()

    def _reset(self) -> None:
        """Heads look along evenly spread directions, points ever farther: Deformable DETR's start."""
        heads, levels, points = self.grid
        angles = torch.arange(heads) * (2 * math.pi / heads)
        directions = torch.stack((angles.cos(), angles.sin()), dim=-1)
        directions = directions / directions.abs().amax(-1, keepdim=True)
        steps = torch.arange(1, points + 1).view(1, 1, points, 1)
        offsets = directions.view(heads, 1, 1, 2) * steps.expand(heads, levels, points, 1)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(offsets.reshape(-1))
            nn.init.zeros_(self.sampling_offsets.weight)
            nn.init.zeros_(self.attention_weights.weight)
            nn.init.zeros_(self.attention_weights.bias)

    def forward(self, query: Tensor, reference_points: Tensor, tokens: Tensor) -> Tensor:
        """Read `tokens` (B, N, C) around `reference_points` (B, K, M, 2) for each `query` (B, K, C).

        Deformable DETR, arXiv:2010.04159, Eq. (3), with one reference point a head: FMMP, Eq. (7).
        """
        batch, count, _ = query.shape
        grid = (batch, count, *self.grid)
        offsets = self.sampling_offsets(query).view(*grid, 2)  # cells
        weights = self.attention_weights(query).view(*grid[:3], -1).softmax(-1).view(grid)
        locations = (
            reference_points[:, :, :, None, None] + offsets / self.cells_xy[:, None]
        )  # (B, K, M, L, P, 2)
        value = self.value_proj(tokens).view(batch, tokens.shape[1], self.grid[0], -1)  # (B, N, M, D)
        sampled = ms_deform_attn(value, self.spatial_shapes, self.level_start_index, locations, weights)
        return self.output_proj(sampled.flatten(2))


class FullStructure(nn.Module):
    """As released: each of the M structure heads is a complete M-head attention around its own point."""

    def __init__(
        self, dim: int, num_heads: int, num_points: int, spatial_shapes: tuple[tuple[int, int], ...]
    ) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            DeformableAttention(dim, num_heads, num_points, spatial_shapes) for _ in range(num_heads)
        )
        self.projector = nn.Linear((num_heads - 1) * dim, dim)

    def forward(self, query: Tensor, reference_points: Tensor, tokens: Tensor) -> Tensor:
        """As `DeformableAttention.forward`; head 0 stays, the neighbours' heads add what survives a ReLU."""
        own, *neighbours = (
            head(query, reference_points[:, :, m : m + 1].expand_as(reference_points), tokens)
            for m, head in enumerate(self.heads)
        )
        if not neighbours:
            return own
        return own + self.projector(torch.cat(neighbours, dim=-1)).relu()


STRUCTURES = {"full": FullStructure, "lite": DeformableAttention}
