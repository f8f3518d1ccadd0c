# SPDX-License-Identifier: Apache-2.0
"""Structure-aware deformable attention: each head reads around a keypoint's neighbour in the skeleton."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from fmmp_train.model.deform_attn import level_tensors, ms_deform_attn
from fmmp_train.model.fmmp.config import Links, ModelConfig


def neighbour_points(points: Tensor, reference_index: Tensor) -> Tensor:
    """Points (B, K, 2), breadth-first indices (B, K, M) -> reference points (B, K, M, 2): FMMP, Eq. (7)."""
    batch, count, heads = reference_index.shape
    index = reference_index.reshape(batch, count * heads, 1).expand(-1, -1, 2)
    return points.gather(1, index).view(batch, count, heads, 2)


def rewire(reference_index: Tensor, visible: Tensor, links: Links) -> Tensor:
    """The breadth-first neighbours that a network reads around: FMMP, Table 4.

    Args:
        reference_index: (B, S, K, M) int64, of the category's own links.
        visible: (B, S, K) bool.
        links: "category", as they are; "all", those of a skeleton in which every keypoint is linked to every
            other (AllLink); "none", of one without links (NoneLink).
    """
    if links == "category":
        return reference_index
    count, heads = reference_index.shape[-2:]
    number = torch.arange(count, device=visible.device)
    itself = number[:, None].expand_as(reference_index)
    if links == "none":
        return itself
    other = torch.arange(min(heads, count) - 1, device=visible.device)
    others = other + (other >= number[:, None]).long()  # (K, M - 1): 0, 1, ... without the keypoint itself
    linked = torch.cat((number[:, None], others), dim=-1).expand(*visible.shape, -1)
    missing = itself[..., linked.shape[-1] :]
    return torch.where(visible[..., None], torch.cat((linked, missing), dim=-1), itself)


class Plan(NamedTuple):
    """What a query wants to read, before it is known around which points and of which image."""

    offsets: Tensor  # (B, K, M, L, P, 2), cells
    logits: Tensor  # (B, K, M, L, P); their softmax over L and P is how much each read counts


class Structure(Protocol):
    """All forms of the attention, in three parts, so that what does not change is computed once."""

    def memory(self, tokens: Tensor) -> Tensor:
        """What is kept of an image's tokens (B, N, C) for any number of reads, (B, N, ...)."""
        ...

    def plan(self, query: Tensor) -> Plan:
        """Offsets and logits of each `query` (B, K, C)."""
        ...

    def __call__(self, plan: Plan, reference_points: Tensor, memory: Tensor) -> Tensor:
        """Read `memory` around `reference_points` (B, K, M, 2) -> (B, K, C)."""
        ...


class DeformableAttention(nn.Module):
    """Multi-head deformable attention whose head m reads around reference point m."""

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
        shapes, starts = level_tensors(spatial_shapes)
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

    def memory(self, tokens: Tensor) -> Tensor:
        """Keep the tokens (B, N, C) as they are: they are projected in every read."""
        return tokens

    def plan(self, query: Tensor) -> Plan:
        """Offsets and logits of each `query` (B, K, C), of M heads."""
        grid = (*query.shape[:2], *self.grid)
        return Plan(self.sampling_offsets(query).view(*grid, 2), self.attention_weights(query).view(grid))

    def forward(self, plan: Plan, reference_points: Tensor, memory: Tensor) -> Tensor:
        """Read `memory` around `reference_points` (B, K, M, 2) -> (B, K, C).

        Deformable DETR, arXiv:2010.04159, Eq. (3), with one reference point a head: FMMP, Eq. (7).
        """
        weights = plan.logits.flatten(-2).softmax(-1).view_as(plan.logits)
        locations = (
            reference_points[:, :, :, None, None] + plan.offsets / self.cells_xy[:, None]
        )  # (B, K, M, L, P, 2)
        value = self.value_proj(memory).view(*memory.shape[:2], self.grid[0], -1)  # (B, N, M, D)
        sampled = ms_deform_attn(value, self.spatial_shapes, self.level_start_index, locations, weights)
        return self.output_proj(sampled.flatten(2))


class FullStructure(nn.Module):
    """As released: each of the M structure heads is a complete attention around its own point."""

    heads: Sequence[DeformableAttention]

    def __init__(
        self,
        dim: int,
        num_heads: int,
        inner_heads: int,
        num_points: int,
        spatial_shapes: tuple[tuple[int, int], ...],
    ) -> None:
        super().__init__()
        attentions = (
            DeformableAttention(dim, inner_heads, num_points, spatial_shapes) for _ in range(num_heads)
        )
        self.add_module("heads", nn.ModuleList(attentions))
        self.projector = nn.Linear((num_heads - 1) * dim, dim)

    def memory(self, tokens: Tensor) -> Tensor:
        """Keep the tokens (B, N, C) as they are: they are projected in every read."""
        return tokens

    def plan(self, query: Tensor) -> Plan:
        """Offsets and logits of each `query` (B, K, C): the inner heads of all M attentions in a row."""
        plans = [head.plan(query) for head in self.heads]
        return Plan(*(torch.cat(parts, dim=2) for parts in zip(*plans, strict=True)))

    def forward(self, plan: Plan, reference_points: Tensor, memory: Tensor) -> Tensor:
        """Read around `reference_points` (B, K, M, 2): head 0 + ReLU(linear(the others)), (B, K, C)."""
        count = len(self.heads)
        plans = zip(plan.offsets.chunk(count, dim=2), plan.logits.chunk(count, dim=2), strict=True)
        inner = self.heads[0].grid[0]
        points = (each.expand(-1, -1, inner, -1) for each in reference_points.chunk(count, dim=2))
        own, *neighbours = (
            head(Plan(*its_plan), its_points, memory)
            for head, its_plan, its_points in zip(self.heads, plans, points, strict=True)
        )
        if not neighbours:
            return own
        return own + self.projector(torch.cat(neighbours, dim=-1)).relu()


def create_structure(config: ModelConfig) -> FullStructure | DeformableAttention:
    """The attention of one miner, of the kind that `config.structure` names."""
    shapes = config.spatial_shapes
    if config.structure == "lite":
        return DeformableAttention(config.dim, config.num_heads, config.num_points, shapes)
    return FullStructure(config.dim, config.num_heads, config.inner_heads, config.num_points, shapes)
