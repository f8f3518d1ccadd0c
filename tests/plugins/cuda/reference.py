# SPDX-License-Identifier: Apache-2.0
"""The operator in plain float64, one sample after the other, and the inputs that its tests share."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Level heights and widths of the network at 256 x 256, and one with height != width.
NETWORK_LEVELS = ((32, 32), (16, 16), (8, 8))
UNEVEN_LEVELS = ((5, 9), (7, 3), (1, 4), (2, 2))


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """One call; every number already rounded to its storage type."""

    value: Array  # (B, N, V, D); V is the number of heads, or 1
    spatial_shapes: NDArray[np.int32]  # (L, 2) height, width
    level_start_index: NDArray[np.int32]  # (L,)
    locations: Array  # (B, Q, M, L, P, 2) x, y
    weights: Array  # (B, Q, M, L, P)
    value_type: str = "float32"  # or "float16", "bfloat16"
    location_type: str = "float32"  # or "float16"

    @property
    def max_value(self) -> float:
        """Largest finite |value|: tolerances scale with it."""
        finite = self.value[np.isfinite(self.value)]
        return float(np.abs(finite).max(initial=0.0))

    def with_types(self, value_type: str, location_type: str) -> Inputs:
        """The same call, its numbers rounded to these types."""
        return replace(
            self,
            value=stored(self.value, value_type),
            locations=stored(self.locations, location_type),
            weights=stored(self.weights, location_type),
            value_type=value_type,
            location_type=location_type,
        )


def stored(numbers: Array, name: str) -> Array:
    """Round to a storage type and back."""
    return unpack(pack(numbers, name), name).reshape(numbers.shape)


def pack(numbers: Array, name: str) -> bytes:
    """The bytes of a tensor of type float32, float16 or bfloat16 (round to nearest, ties to even)."""
    if name != "bfloat16":
        with np.errstate(over="ignore"):
            return bytes(numbers.astype(name).tobytes())
    bits = numbers.astype(np.float32).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))) >> np.uint32(16)
    return bytes(np.where(np.isnan(numbers), np.uint32(0x7FC0), rounded).astype(np.uint16).tobytes())


def unpack(data: bytes, name: str) -> Array:
    """The inverse of `pack`, flat."""
    if name == "bfloat16":
        return (np.frombuffer(data, np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return np.frombuffer(data, name).astype(np.float64)


def draw(
    levels: tuple[tuple[int, int], ...] = NETWORK_LEVELS,
    *,
    batch: int = 1,
    queries: int = 7,
    heads: int = 8,
    value_heads: int | None = None,
    head_dim: int = 32,
    points: int = 4,
    seed: int = 0,
) -> Inputs:
    """Random inputs: |value| <= 1, locations in [-0.2, 1.2], weights that sum to 1 over a query's samples."""
    rng = np.random.default_rng(seed)
    shapes = np.array(levels, np.int32).reshape(-1, 2)
    cells = shapes.astype(np.int64).prod(1)
    grid = (batch, queries, heads, len(levels), points)
    weights = rng.random(grid) + 1e-3
    return Inputs(
        value=rng.uniform(-1, 1, (batch, int(cells.sum()), value_heads or heads, head_dim)),
        spatial_shapes=shapes,
        level_start_index=(cells.cumsum() - cells).astype(np.int32),
        locations=rng.uniform(-0.2, 1.2, (*grid, 2)),
        weights=weights / weights.sum((-2, -1), keepdims=True),
    ).with_types("float32", "float32")


def reference(inputs: Inputs) -> tuple[Array, Array]:
    """Deformable DETR, arXiv:2010.04159, Eq. (3): output (B, Q, M, D) and coverage (B, Q, M), in float64.

    Bilinear, the centre of cell (0, 0) at (0.5 / W, 0.5 / H), zero outside. A cell of bilinear weight 0 is
    not read, nor is anything around a location that is not finite.
    """
    batch, queries, heads, _, points, _ = inputs.locations.shape
    shared = inputs.value.shape[2] == 1
    output = np.zeros((batch, queries, heads, inputs.value.shape[3]))
    coverage = np.zeros((batch, queries, heads))
    for b, q, m in np.ndindex(batch, queries, heads):
        value = inputs.value[b, :, 0 if shared else m]
        for level, (height, width) in enumerate(inputs.spatial_shapes.tolist()):
            start = int(inputs.level_start_index[level])
            for p in range(points):
                x, y = inputs.locations[b, q, m, level, p]
                if not (math.isfinite(x) and math.isfinite(y)) or abs(x) > 1e6 or abs(y) > 1e6:
                    continue
                x, y = x * width - 0.5, y * height - 0.5
                for row in (math.floor(y), math.floor(y) + 1):
                    for column in (math.floor(x), math.floor(x) + 1):
                        share = (1 - abs(x - column)) * (1 - abs(y - row))
                        if share > 0 and 0 <= row < height and 0 <= column < width:
                            share *= inputs.weights[b, q, m, level, p]
                            output[b, q, m] += share * value[start + row * width + column]
                            coverage[b, q, m] += share
    return output, coverage
