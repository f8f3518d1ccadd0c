# SPDX-License-Identifier: Apache-2.0
"""The operator in float64, as products with interpolation matrices; and the inputs that its tests share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """One call of either operator: value is (B, N, M, D), or (B, N, D) if all heads share it."""

    value: Array
    spatial_shapes: NDArray[np.int32]  # (L, 2) height, width
    level_start_index: NDArray[np.int32]  # (L,)
    sampling_locations: Array  # (B, Q, M, L, P, 2) x, y
    attention_weights: Array  # (B, Q, M, L, P)

    def feed(self) -> dict[str, Array]:
        """By name, as ONNX Runtime takes them."""
        return dict(vars(self))

    def stored_as(self, value: Any, locations: Any) -> Inputs:  # noqa: ANN401  # dtype-like
        """The same numbers, rounded to these types."""
        return replace(
            self,
            value=self.value.astype(value),
            sampling_locations=self.sampling_locations.astype(locations),
            attention_weights=self.attention_weights.astype(locations),
        )


def starts(shapes: Array) -> NDArray[np.int32]:
    """(L,) first cell of each level."""
    cells = shapes.astype(np.int64).prod(-1)
    first: NDArray[np.int32] = (cells.cumsum() - cells).astype(np.int32)
    return first


def draw(
    levels: list[tuple[int, int]],
    *,
    batch: int = 1,
    queries: int = 4,
    heads: int = 4,
    points: int = 4,
    channels: int = 16,
    shared: bool = False,
) -> Inputs:
    """Random float32 inputs: |value| <= 1, locations in [-0.2, 1.2], weights that sum to 1 over L and P."""
    rng = np.random.default_rng(0)
    shapes = np.array(levels, np.int32).reshape(-1, 2)
    cells = int(shapes.astype(np.int64).prod(-1).sum())
    grid = (batch, queries, heads, len(levels), points)
    weights = rng.random(grid) + 0.01
    value = rng.uniform(-1, 1, (batch, cells, *(() if shared else (heads,)), channels))
    return Inputs(
        value=value.astype(np.float32),
        spatial_shapes=shapes,
        level_start_index=starts(shapes),
        sampling_locations=rng.uniform(-0.2, 1.2, (*grid, 2)).astype(np.float32),
        attention_weights=(weights / weights.sum((-2, -1), keepdims=True)).astype(np.float32),
    )


def reference(inputs: Inputs) -> tuple[Array, Array]:
    """Deformable DETR, arXiv:2010.04159, Eq. (3): output (B, Q, M, D) and coverage (B, Q, M).

    A cell counts by a hat function over its centre, one cell wide to each side; a location that is no number
    reads nothing.
    """
    value = inputs.value.astype(np.float64)
    locations = inputs.sampling_locations.astype(np.float64)
    weights = inputs.attention_weights.astype(np.float64)
    batch, queries, heads, *_ = weights.shape
    if value.ndim == 3:
        value = np.repeat(value[:, :, None], heads, axis=2)
    output = np.zeros((batch, queries, heads, value.shape[-1]))
    coverage = np.zeros((batch, queries, heads))
    for level, (height, width) in enumerate(inputs.spatial_shapes.tolist()):
        start = int(inputs.level_start_index[level])
        cells = value[:, start : start + height * width].reshape(batch, height, width, heads, -1)
        x = _hats(locations[:, :, :, level, :, 0], width)  # (B, Q, M, P, W)
        y = _hats(locations[:, :, :, level, :, 1], height)  # (B, Q, M, P, H)
        counts = (x.sum(-1) * y.sum(-1)) > 0
        share = np.where(counts, weights[:, :, :, level], 0)[
            ..., None
        ]  # a weight of NaN at no place: nothing
        output += np.einsum("bqmpy,bqmpx,byxmd->bqmd", share * y, x, cells, optimize=True)
        coverage += np.einsum("bqmpy,bqmpx->bqm", share * y, x)
    return output, coverage


def _hats(locations: Array, size: int) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(locations[..., None] * size - (np.arange(size) + 0.5))
        return np.where(distance < 1, 1 - distance, 0)
