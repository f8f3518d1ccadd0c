# SPDX-License-Identifier: Apache-2.0
"""The operator's definition in standard ONNX, run by ONNX Runtime without our kernel, against float64."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from fmmp_export.graph.operator import FMMP, INPUTS, NVIDIA, OPSET, OUTPUT, OperatorName, definition
from fmmp_export.graph.projected import INPUT_TYPES, PROJECTED, projected_definition
from tests.golden import load_npz
from tests.plugins.cpu.reference import Array, Inputs, draw, reference, starts
from tests.plugins.cpu.session import INPUTS as COMPILED_INPUTS
from tests.plugins.cpu.session import PER_HEAD
from tests.plugins.cpu.session import PROJECTED as COMPILED_PROJECTED
from tests.plugins.cpu.test_projected import ATOL as PROJECTED_ATOL
from tests.plugins.cpu.test_projected import Projected, kinds, step_by_step
from tests.plugins.cpu.test_projected import draw as draw_projected

FLOAT, HALF = int(TensorProto.FLOAT), int(TensorProto.FLOAT16)
NUMPY: dict[int, type[np.floating[Any]]] = {FLOAT: np.float32, HALF: np.float16}
# As for the kernels: float32 arithmetic on up to 32 cells; a half rounds the result by 2^-12 below 1.
ATOL = {FLOAT: 1e-6, HALF: 1e-6 + 2.0**-12}

CASES = {
    "the network's own": draw([(8, 8), (16, 16), (32, 32)], queries=70, heads=8, channels=32),
    "height != width": draw([(5, 3), (2, 7)], batch=2),  # catches a swapped x, y
    "single cells": draw([(1, 1), (1, 1)], batch=3, points=2),  # three of four neighbours lie outside
    "one head, many channels": draw([(4, 6)], heads=1, points=1, channels=37),
}


PROJECTED_CASES = {
    "two heads a point": draw_projected([(4, 4), (2, 2)], batch=2, heads=8, references=4),
    "height != width": draw_projected([(5, 3), (2, 7)]),
    "no queries": draw_projected([(5, 3)], queries=0),
}


@cache
def session(name: OperatorName, value: int, locations: int) -> ort.InferenceSession:
    """A graph of one node and its definition; no kernel is registered."""
    grid = ["B", "Q", "M", "L", "P"]
    inputs = [
        helper.make_tensor_value_info("value", value, ["B", "N", "M", "D"]),
        helper.make_tensor_value_info("spatial_shapes", TensorProto.INT32, ["L", 2]),
        helper.make_tensor_value_info("level_start_index", TensorProto.INT32, ["L"]),
        helper.make_tensor_value_info("sampling_locations", locations, [*grid, 2]),
        helper.make_tensor_value_info("attention_weights", locations, grid),
    ]
    output = helper.make_tensor_value_info(OUTPUT, value, ["B", "Q", "M", "D"])
    node = helper.make_node(name.op_type, INPUTS, [OUTPUT], domain=name.domain, **name.attributes)
    model = helper.make_model(
        helper.make_graph([node], "one_node", inputs, [output]),
        functions=[definition(name)],
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(name.domain, 1)],
        ir_version=10,
    )
    onnx.checker.check_model(model, full_check=True)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(inputs: Inputs, value: int = FLOAT, locations: int = FLOAT, name: OperatorName = FMMP) -> Array:
    (output,) = session(name, value, locations).run(None, inputs.feed())
    return np.asarray(output)


@pytest.mark.parametrize("types", [(FLOAT, FLOAT), (HALF, FLOAT), (HALF, HALF)], ids=["32", "16/32", "16"])
@pytest.mark.parametrize("inputs", CASES.values(), ids=CASES)
def test_matches_float64_reference(inputs: Inputs, types: tuple[int, int]) -> None:
    inputs = inputs.stored_as(*(NUMPY[one] for one in types))
    found = run(inputs, *types)
    assert found.dtype == NUMPY[types[0]]
    np.testing.assert_allclose(found, reference(inputs)[0], rtol=0, atol=ATOL[types[0]])


def test_matches_released_operator() -> None:
    arrays = load_npz("msda")
    cases = sorted({name.split("_")[0] for name in arrays})
    assert cases
    for case in cases:
        shapes = arrays[f"{case}_shapes"].astype(np.int32)
        inputs = Inputs(
            value=arrays[f"{case}_value"],
            spatial_shapes=shapes,
            level_start_index=starts(shapes),
            sampling_locations=arrays[f"{case}_locations"],
            attention_weights=arrays[f"{case}_weights"],
        )
        expected = arrays[f"{case}_output_fp64"]
        np.testing.assert_allclose(run(inputs).reshape(expected.shape), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("away", [np.nan, np.inf, -np.inf, 1e30, -1e30, 40.0])
def test_a_location_that_is_no_place_counts_nothing(away: float) -> None:
    inputs = draw([(5, 3), (2, 7)])
    locations = inputs.sampling_locations.copy()
    locations[0, 0, 0, :, 0, 0] = away
    inputs = replace(inputs, sampling_locations=locations)
    np.testing.assert_allclose(run(inputs), reference(inputs)[0], rtol=0, atol=1e-6)


def test_no_queries_give_no_rows() -> None:
    assert run(draw([(5, 3)], queries=0)).shape == (1, 0, 4, 16)


def test_nvidias_name_has_the_same_definition() -> None:
    inputs = CASES["height != width"]
    np.testing.assert_array_equal(run(inputs, name=NVIDIA), run(inputs))


def test_python_and_cpp_spell_the_operator_alike() -> None:
    assert (FMMP.op_type, INPUTS) == (PER_HEAD, COMPILED_INPUTS)


@pytest.mark.parametrize("storage", ["float", "float16"])
@pytest.mark.parametrize("case", PROJECTED_CASES.values(), ids=PROJECTED_CASES)
def test_the_projected_definition_is_its_steps(case: Projected, storage: str) -> None:
    case = case.stored_as(storage)
    ends = ", ".join(f"{kind} {part}" for part, kind in kinds(storage).items())
    model = onnx.parser.parse_model(
        f"""<ir_version: 10, opset_import: ["": {OPSET}, "{FMMP.domain}": 1]>
        one_node ({ends}) => ({storage}[B, Q, M, D] output)
        {{ output = {FMMP.domain}.{PROJECTED} ({", ".join(vars(case))}) }}"""
    )
    model.functions.extend([definition(FMMP), projected_definition()])
    onnx.checker.check_model(model, full_check=True)
    run_it = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = run_it.run(None, vars(case))
    # In half precision every cell is projected first, and rounded: 2^-12 of at most 1, then summed by weight.
    atol = PROJECTED_ATOL[storage] + (2.0**-11 if storage == "float16" else 0)
    np.testing.assert_allclose(found, step_by_step(case), rtol=0, atol=atol)


def test_torch_writes_the_projected_operator_as_it_is_compiled() -> None:
    assert PROJECTED == COMPILED_PROJECTED
    assert list(INPUT_TYPES) == list(kinds("float"))
