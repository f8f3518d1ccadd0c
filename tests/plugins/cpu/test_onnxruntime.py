# SPDX-License-Identifier: Apache-2.0
"""The operators of libfmmp_onnxruntime against float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests.golden import load_npz
from tests.plugins.cpu.reference import Array, Inputs, draw, reference, starts
from tests.plugins.cpu.session import BFLOAT16, FLOAT, HALF, PER_HEAD, SHARED, model, session, shared_session

# float32: unit roundoff 2^-24, up to 48 terms, coordinates up to 32 cells; 5e-7 is the worst seen. float16
# rounds the result by half a unit in the last place, 2^-12 below 1; the reference sees the rounded inputs.
ATOL: dict[int, float] = {FLOAT: 1e-6, HALF: 1e-6 + 2.0**-12}
TYPES = {"float32": (FLOAT, FLOAT), "float16, float32 locations": (HALF, FLOAT), "float16": (HALF, HALF)}
NUMPY: dict[int, type[np.floating[Any]]] = {FLOAT: np.float32, HALF: np.float16}

NETWORK = [(32, 32), (16, 16), (8, 8)]
CASES = {
    "the network's own": draw(NETWORK, queries=70, heads=8, channels=32),
    "packed heads": draw(NETWORK, queries=3, heads=64, channels=32),
    "height != width": draw([(5, 3), (2, 7)], batch=2),  # catches a swapped x, y
    "single cells": draw([(1, 1), (1, 1)], batch=3, points=2),  # three of four neighbours lie outside
    "odd sizes": draw([(5, 3)], heads=3, points=3, channels=37),
    "shared": draw(NETWORK, queries=5, heads=8, channels=256, shared=True),
    "shared, height != width": draw([(5, 3), (2, 7)], batch=2, channels=7, shared=True),
}


def run(inputs: Inputs, value: int = FLOAT, locations: int = FLOAT) -> list[Array]:
    op = SHARED if inputs.value.ndim == 3 else PER_HEAD
    outputs: list[Array] = shared_session(op, value, locations).run(None, inputs.feed())
    return outputs


def judge(inputs: Inputs, value: int = FLOAT, locations: int = FLOAT) -> None:
    outputs = run(inputs, value, locations)
    for found, expected in zip(outputs, reference(inputs), strict=False):  # one head each: no coverage
        assert found.dtype == NUMPY[value]
        np.testing.assert_allclose(found, expected, rtol=0, atol=ATOL[value])


@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("inputs", CASES.values(), ids=CASES)
def test_matches_float64_reference(inputs: Inputs, types: tuple[int, int]) -> None:
    judge(inputs.stored_as(*(NUMPY[one] for one in types)), *types)


@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
def test_matches_released_operator(types: tuple[int, int]) -> None:
    arrays = load_npz("msda")
    cases = sorted({name.split("_")[0] for name in arrays})
    assert cases
    for case in cases:
        value, shapes, locations, weights, expected = (
            arrays[f"{case}_{part}"] for part in ("value", "shapes", "locations", "weights", "output_fp64")
        )
        inputs = Inputs(
            value=value,
            spatial_shapes=shapes.astype(np.int32),
            level_start_index=starts(shapes),
            sampling_locations=locations,
            attention_weights=weights,
        )
        stored = inputs.stored_as(*(NUMPY[one] for one in types))
        (found,) = run(stored, *types)
        # Rounding the inputs moves the result too; how far, the reference tells.
        moved = np.abs(reference(stored)[0] - reference(inputs)[0]).max()
        scale = 2 * max(1.0, np.abs(expected).max())  # twice: the last place of 1.1 is that of 2
        atol = ATOL[types[0]] * scale + moved
        np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=0, atol=atol)


def test_bfloat16_value_runs_on_float32_locations() -> None:
    inputs = CASES["height != width"]
    bits = inputs.value.view(np.uint32) & np.uint32(0xFFFF0000)  # exact in bfloat16
    exact = replace(inputs, value=bits.view(np.float32))
    (output,) = session(model(value=BFLOAT16)).run(None, exact.feed())
    np.testing.assert_allclose(output, reference(exact)[0], rtol=0, atol=1e-6 + 2.0**-9)


def test_coverage_may_be_left_out() -> None:
    inputs = CASES["shared, height != width"]
    (output,) = session(model(SHARED)).run(None, inputs.feed())
    np.testing.assert_array_equal(output, run(inputs)[0])


def test_coverage_carries_a_bias_through_the_sampling() -> None:
    inputs = CASES["shared, height != width"]
    bias = np.float32(0.75)
    output, coverage = run(inputs)
    shifted, _ = run(replace(inputs, value=inputs.value + bias))
    np.testing.assert_allclose(shifted, output + bias * coverage[..., None], rtol=0, atol=2e-6)


@pytest.mark.parametrize("shared", [False, True], ids=["per head", "shared"])
def test_locations_that_are_no_place_read_nothing(shared: bool) -> None:
    inputs = draw(NETWORK, shared=shared)
    locations, weights = inputs.sampling_locations.copy(), inputs.attention_weights.copy()
    bad = [np.nan, np.inf, -np.inf, 1e30, -1e30, np.finfo(np.float32).max, 3e9, 2.0]
    places = locations.reshape(-1, 2)
    for axis in (0, 1):
        places[axis::5, axis] = np.resize(bad, len(places[axis::5]))
    weights.reshape(-1)[::10] = np.nan  # of samples that read nothing
    judge(replace(inputs, sampling_locations=locations, attention_weights=weights))


@pytest.mark.parametrize(("batch", "queries"), [(0, 3), (2, 0)], ids=["no batch", "no query"])
@pytest.mark.parametrize("shared", [False, True], ids=["per head", "shared"])
def test_nothing_in_gives_nothing(batch: int, queries: int, shared: bool) -> None:
    output, *coverage = run(draw([(3, 5)], batch=batch, queries=queries, shared=shared))
    assert output.shape == (batch, queries, 4, 16)
    assert [one.shape for one in coverage] == [(batch, queries, 4)] * shared


def test_shapes_and_types_are_inferred() -> None:
    for op, outputs in ((PER_HEAD, ("output",)), (SHARED, ("output", "coverage"))):
        inferred = session(model(op, value=HALF, outputs=outputs)).get_outputs()
        shapes: list[list[str]] = [["B", "Q", "M", "D"], []][: len(outputs)]  # the coverage's stays unknown
        assert [(one.shape, one.type) for one in inferred] == [(shape, "tensor(float16)") for shape in shapes]


@pytest.mark.parametrize("types", TYPES.values(), ids=TYPES)
def test_output_has_the_type_of_value_whatever_the_ranks(types: tuple[int, int]) -> None:
    """Neither ranks nor the output's type are said: a half that goes into a float's memory is garbage."""
    inputs = CASES["height != width"].stored_as(*(NUMPY[one] for one in types))
    graph = onnx.load_from_string(model(value=types[0], locations=types[1]))
    for tensor in (*graph.graph.input, *graph.graph.output):
        tensor.type.tensor_type.ClearField("shape")
    graph.graph.output[0].ClearField("type")
    (output,) = session(graph.SerializeToString()).run(None, inputs.feed())
    assert output.dtype == NUMPY[types[0]]
    np.testing.assert_allclose(output, reference(inputs)[0], rtol=0, atol=ATOL[types[0]])


@pytest.mark.parametrize(
    ("value", "locations", "weights"),
    [
        (TensorProto.DOUBLE, FLOAT, FLOAT),
        (FLOAT, HALF, HALF),
        (BFLOAT16, BFLOAT16, BFLOAT16),
        (HALF, FLOAT, HALF),
    ],
)
def test_wrong_types_are_refused_when_the_session_is_made(value: int, locations: int, weights: int) -> None:
    """In ONNX Runtime's own words, which name the operator."""
    with pytest.raises(Exception, match=PER_HEAD):
        session(model(value=value, locations=locations, weights=weights))


GOOD = draw([(3, 5), (2, 2)], batch=2)
BAD = {
    "level start": (
        replace(GOOD, level_start_index=np.array([0, 20], np.int32)),
        r"level_start_index\[1\] must be 15, the number of cells before that level, got 20",
    ),
    "level start before the map": (
        replace(GOOD, level_start_index=np.array([-5, 15], np.int32)),
        r"level_start_index\[0\] must be 0, the number of cells before that level, got -5",
    ),
    "level size": (
        replace(GOOD, spatial_shapes=np.array([[3, 5], [2, 20]], np.int32)),
        r"spatial_shapes must describe the 19 cells of value, got 55 or more",
    ),
    "empty level": (
        replace(GOOD, spatial_shapes=np.array([[0, 5], [2, 2]], np.int32)),
        r"spatial_shapes\[0\] must be a height and a width of at least 1, got \[0, 5\]",
    ),
    "heads": (
        replace(GOOD, value=GOOD.value[:, :, :2]),
        r"sampling_locations must be \[2, queries, 2, .* value \[2, 19, 2, 16\], got \[2, 4, 4, 2, 4, 2\]",
    ),
    "weights' heads": (
        replace(GOOD, attention_weights=GOOD.attention_weights[:, :, :2]),
        r"attention_weights must be \[2, 4, 4, 2, 4\] to go with sampling_locations, got \[2, 4, 2, 2, 4\]",
    ),
    "levels": (
        replace(GOOD, spatial_shapes=GOOD.spatial_shapes[:1]),
        r"spatial_shapes must be \[2, 2\], got \[1, 2\]",
    ),
    "batch": (
        replace(GOOD, value=GOOD.value[:1]),
        r"sampling_locations must be \[1, queries, 4, .*got \[2, 4, 4, 2, 4, 2\]",
    ),
}


@pytest.mark.parametrize(("inputs", "message"), BAD.values(), ids=BAD)
def test_what_does_not_fit_is_refused_by_name(inputs: Inputs, message: str) -> None:
    with pytest.raises(Exception, match=message):
        run(inputs)


def test_a_crooked_pointer_is_refused_by_name() -> None:
    memory = np.zeros(GOOD.value.nbytes + 1, np.uint8)
    crooked = memory[1:].view(np.float32).reshape(GOOD.value.shape)
    crooked[...] = GOOD.value
    with pytest.raises(Exception, match="value must start at a multiple of 4 bytes"):
        run(replace(GOOD, value=crooked))
