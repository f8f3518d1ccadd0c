# SPDX-License-Identifier: Apache-2.0
"""`ProjectedDeformableAttention` against the same steps, one after the other, in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
import pytest

from tests.plugins.cpu.reference import Array, Inputs, reference, starts
from tests.plugins.cpu.session import PROJECTED, session

TYPES = {"float": np.float32, "float16": np.float16}
# |output| <= 1. float32: as the plain operator, and 256 more products; 4e-7 is the worst seen. float16: the
# result is rounded by 2^-12 below 1.
ATOL = {"float": 1e-6, "float16": 1e-6 + 2.0**-12}


@dataclass(frozen=True, kw_only=True)
class Projected:
    """One call; names and shapes are those of docs/measured/operator.md."""

    value: Array
    spatial_shapes: Array
    level_start_index: Array
    reference_points: Array
    sampling_offsets: Array
    attention_logits: Array
    projection: Array
    projection_bias: Array

    def stored_as(self, name: str) -> Projected:
        """The same call, rounded to the type of value."""
        parts = ("value", "projection", "projection_bias")
        return replace(self, **{part: getattr(self, part).astype(TYPES[name]) for part in parts})


def draw(
    levels: list[tuple[int, int]],
    *,
    batch: int = 1,
    queries: int = 5,
    heads: int = 4,
    references: int = 4,
    points: int = 4,
    depth: int = 24,
    columns: int = 8,
) -> Projected:
    rng = np.random.default_rng(3)
    shapes = np.array(levels, np.int32)
    grid = (batch, queries, heads, len(levels), points)
    cells = int(shapes.prod(-1).sum())
    largest = 1 / (depth + 1)

    def uniform(low: float, high: float, shape: tuple[int, ...]) -> Array:
        return rng.uniform(low, high, shape).astype(np.float32)

    return Projected(
        value=uniform(-1, 1, (batch, cells, depth)),
        spatial_shapes=shapes,
        level_start_index=starts(shapes),
        reference_points=uniform(-0.1, 1.1, (batch, queries, references, 2)),
        sampling_offsets=uniform(-3, 3, (*grid, 2)),
        attention_logits=uniform(-4, 4, grid),
        projection=uniform(-largest, largest, (heads, depth, columns)),
        projection_bias=uniform(-largest, largest, (heads, columns)),
    )


def step_by_step(call: Projected) -> Array:
    """Project every cell, make locations and weights, sample."""
    heads = len(call.projection)
    value = np.einsum("bnc,mcd->bnmd", call.value.astype(np.float64), call.projection.astype(np.float64))
    sizes = call.spatial_shapes[:, None, ::-1].astype(np.float64)  # (L, 1, 2) width, height
    points = np.repeat(call.reference_points, heads // call.reference_points.shape[2], axis=2)
    exponents = np.exp(call.attention_logits.astype(np.float64))
    plain = Inputs(
        value=value + call.projection_bias.astype(np.float64),
        spatial_shapes=call.spatial_shapes,
        level_start_index=call.level_start_index,
        sampling_locations=points[:, :, :, None, None].astype(np.float64) + call.sampling_offsets / sizes,
        attention_weights=exponents / exponents.sum((-2, -1), keepdims=True),
    )
    return reference(plain)[0]


def run(call: Projected, name: str = "float") -> Array:
    ends = ", ".join(f"{kind} {part}" for part, kind in kinds(name).items())
    graph = f"""<ir_version: 10, opset_import: ["": 17, "fmmp": 1]>
        one_node ({ends}) => ({name}[B, Q, M, D] output)
        {{ output = fmmp.{PROJECTED} ({", ".join(vars(call))}) }}"""
    output: Array = session(onnx.parser.parse_model(graph).SerializeToString()).run(None, vars(call))[0]
    return output


def kinds(name: str) -> dict[str, str]:
    """Type and shape of every input, as ONNX text."""
    return {
        "value": f"{name}[B, N, C]",
        "spatial_shapes": "int32[L, 2]",
        "level_start_index": "int32[L]",
        "reference_points": "float[B, Q, R, 2]",
        "sampling_offsets": "float[B, Q, M, L, P, 2]",
        "attention_logits": "float[B, Q, M, L, P]",
        "projection": f"{name}[M, C, D]",
        "projection_bias": f"{name}[M, D]",
    }


NETWORK = [(32, 32), (16, 16), (8, 8)]
CASES = {
    "full structure": draw(NETWORK, queries=26, heads=16, references=8, depth=256, columns=32),
    "lite structure": draw(NETWORK, queries=26, heads=8, references=8, depth=256, columns=32),
    "height != width": draw([(5, 3), (2, 7)], batch=2, references=2),
    "odd sizes": draw([(1, 1), (3, 2)], batch=3, heads=3, references=1, points=5, depth=7, columns=45),
    "no query": draw([(5, 3)], queries=0),
}


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("call", CASES.values(), ids=CASES)
def test_matches_float64_reference(call: Projected, name: str) -> None:
    stored = call.stored_as(name)
    output = run(stored, name)
    assert output.dtype == TYPES[name]
    np.testing.assert_allclose(output, step_by_step(stored), rtol=0, atol=ATOL[name])


def test_a_softmax_of_large_logits_stays_finite() -> None:
    call = CASES["height != width"]
    logits = call.attention_logits * 40
    np.testing.assert_allclose(
        run(replace(call, attention_logits=logits)),
        step_by_step(replace(call, attention_logits=logits)),
        atol=1e-5,
    )
    assert np.isfinite(run(replace(call, attention_logits=logits * 1e30))).all()


GOOD = CASES["height != width"]
BAD = {
    "points": (
        replace(GOOD, reference_points=GOOD.reference_points[:, :, :1].repeat(3, axis=2)),
        r"reference_points must be \[2, 5, a divisor of the 4 heads, 2\], got \[2, 5, 3, 2\]",
    ),
    "offsets": (
        replace(GOOD, sampling_offsets=GOOD.sampling_offsets[:1]),
        r"sampling_offsets must be \[2, queries, heads >= 1, .*, got \[1, 5, 4, 2, 4, 2\]",
    ),
    "logits": (
        replace(GOOD, attention_logits=GOOD.attention_logits[..., :1]),
        r"attention_logits must be \[2, 5, 4, 2, 4\] to go with sampling_offsets, got \[2, 5, 4, 2, 1\]",
    ),
    "projection": (
        replace(GOOD, projection=GOOD.projection[:, :5]),
        r"projection must be \[4, 24, channels >= 1\] to go with sampling_offsets and value, got \[4, 5, 8\]",
    ),
    "bias": (
        replace(GOOD, projection_bias=GOOD.projection_bias[:1]),
        r"projection_bias must be \[4, 8\], got \[1, 8\]",
    ),
    "levels": (
        replace(GOOD, level_start_index=GOOD.level_start_index + np.int32(1)),
        r"level_start_index\[0\] must be 0, the number of cells before that level, got 1",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused_by_name(call: Projected, message: str) -> None:
    with pytest.raises(Exception, match=message):
        run(call)
