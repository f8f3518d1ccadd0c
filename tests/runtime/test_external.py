# SPDX-License-Identifier: Apache-2.0
"""The weights of a graph, read from bytes; and nothing but a ValueError for bytes that are no graph."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fmmp_runtime.backends.external import external_tensors

TENSORS: dict[str, NDArray[Any]] = {
    "float32": np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32),
    "float16": np.arange(300, dtype=np.float16).reshape(2, 150),  # a shape of two bytes a number
    "int64": np.array([-1, 2**40]),
    "int8": np.array([[[-128]]], np.int8),
    "bool": np.array([True, False]),
    "scalar": np.array(2.5, np.float32),
    "inside": np.ones(2, np.float32),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A graph whose weights lie outside, but for one; one is an output as it is, one nobody uses."""
    folder: Path = tmp_path_factory.mktemp("graph")
    read = set(TENSORS) - {"int64"}
    nodes = [helper.make_node("Identity", [name], [f"same_{name}"]) for name in sorted(read)]
    outputs = [
        helper.make_tensor_value_info("same_float32", TensorProto.FLOAT, [3, 5]),
        helper.make_tensor_value_info("int64", TensorProto.INT64, [2]),
    ]
    weights = [
        numpy_helper.from_array(array, name) for name, array in (TENSORS | {"unused": np.ones(9)}).items()
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [], outputs, weights))
    onnx.external_data_helper.convert_model_to_external_data(
        model, location="weights.bin", size_threshold=0, convert_attribute=False
    )
    [inside] = [tensor for tensor in model.graph.initializer if tensor.name == "inside"]
    inside.CopyFrom(numpy_helper.from_array(TENSORS["inside"], "inside"))
    onnx.save(model, folder / "g.onnx")
    return (folder / "g.onnx").read_bytes(), (folder / "weights.bin").read_bytes()


def test_the_same_tensors_as_onnx_reads(files: tuple[bytes, bytes]) -> None:
    found = external_tensors(*files)
    assert sorted(found) == sorted(set(TENSORS) - {"inside"})
    for name, array in found.items():
        assert array.dtype == TENSORS[name].dtype
        np.testing.assert_array_equal(array, TENSORS[name], strict=True)


def test_weights_that_are_too_short(files: tuple[bytes, bytes]) -> None:
    with pytest.raises(ValueError, match="outside the weights"):
        external_tensors(files[0], files[1][:-100])


@given(st.data())
def test_damage_is_a_value_error(files: tuple[bytes, bytes], data: st.DataObject) -> None:
    graph = bytearray(files[0])
    for _ in range(data.draw(st.integers(1, 4))):
        graph[data.draw(st.integers(0, len(graph) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        external_tensors(bytes(graph[: data.draw(st.integers(0, len(graph)))]), files[1])
