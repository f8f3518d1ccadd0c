# SPDX-License-Identifier: Apache-2.0
"""Multi-scale deformable attention, the one operation that a deployed graph asks a custom operator for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def level_tensors(spatial_shapes: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Sizes (L, 2) and first cells (L,) of levels that follow one another, int32, from their (H, W)."""
    shapes = torch.tensor(spatial_shapes, dtype=torch.int32)
    return shapes, F.pad(shapes.prod(-1).cumsum(0)[:-1], (1, 0)).int()


def ms_deform_attn(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Weighted sum of bilinear samples of every level; zeros outside, half-cell centres.

    Deformable DETR, arXiv:2010.04159, Eq. (3), without the projections. Under `torch.export` it is one call
    of `fmmp::ms_deform_attn`, which the exporter writes as the node `fmmp::MultiScaleDeformableAttention`.

    Args:
        value: (B, N, M, D), the levels' cells one after the other, row by row.
        spatial_shapes: (L, 2) int32, **H, W** of each level.
        level_start_index: (L,) int32, first cell of each level.
        sampling_locations: (B, Q, M, L, P, 2), **x, y** in [0, 1] over the level.
        attention_weights: (B, Q, M, L, P).

    Returns:
        (B, Q, M, D).
    """
    arguments = (value, spatial_shapes, level_start_index, sampling_locations, attention_weights)
    if torch.compiler.is_exporting():
        called: Tensor = torch.ops.fmmp.ms_deform_attn(*arguments)
        return called
    return _sample_and_sum(*arguments)


def _sample_and_sum(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    batch, _, heads, dim = value.shape
    queries = sampling_locations.shape[1]
    grids = (
        (2 * sampling_locations - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)
    )  # (L, B*M, Q, P, 2) in [-1, 1]
    weights = attention_weights.permute(3, 0, 2, 1, 4).flatten(1, 2)[:, :, None]  # (L, B*M, 1, Q, P)
    total = value.new_zeros(batch * heads, dim, queries)
    for level, ((height, width), start) in enumerate(
        zip(spatial_shapes.tolist(), level_start_index.tolist(), strict=True)
    ):
        cells = value[:, start : start + height * width].permute(0, 2, 3, 1)  # (B, M, D, H*W)
        maps = cells.reshape(batch * heads, dim, height, width)
        samples = F.grid_sample(maps, grids[level].to(maps.dtype), align_corners=False)  # (B*M, D, Q, P)
        total = total + (samples * weights[level]).sum(-1)
    return total.view(batch, heads, dim, queries).permute(0, 3, 1, 2)


@torch.library.custom_op("fmmp::ms_deform_attn", mutates_args=())
def _operator(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    return _sample_and_sum(
        value, spatial_shapes, level_start_index, sampling_locations, attention_weights
    ).contiguous()


@_operator.register_fake
def _(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    batch, queries, heads = sampling_locations.shape[:3]
    return value.new_empty(batch, queries, heads, value.shape[-1])
