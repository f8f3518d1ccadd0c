# SPDX-License-Identifier: Apache-2.0
"""One-node ONNX graphs of the operators, and sessions that run them with the built library."""

from __future__ import annotations

from functools import cache

import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from fmmp_runtime.operators import library

INPUTS = ("value", "spatial_shapes", "level_start_index", "sampling_locations", "attention_weights")
PER_HEAD, SHARED = "MultiScaleDeformableAttention", "SharedValueDeformableAttention"
PROJECTED = "ProjectedDeformableAttention"
FLOAT, HALF, BFLOAT16 = (int(one) for one in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16))


def model(
    op: str = PER_HEAD,
    *,
    value: int = FLOAT,
    locations: int = FLOAT,
    weights: int | None = None,
    outputs: tuple[str, ...] = ("output",),
) -> bytes:
    """A graph of one node; types are those of `TensorProto`, sizes are symbols.

    numpy has no bfloat16, so that such a graph takes and gives float32 and casts inside.
    """
    cast = value == BFLOAT16
    outside = FLOAT if cast else value
    grid = ["B", "Q", "M", "L", "P"]
    inputs = [
        helper.make_tensor_value_info(
            "value", outside, ["B", "N", "D"] if op == SHARED else ["B", "N", "M", "D"]
        ),
        helper.make_tensor_value_info("spatial_shapes", TensorProto.INT32, ["L", 2]),
        helper.make_tensor_value_info("level_start_index", TensorProto.INT32, ["L"]),
        helper.make_tensor_value_info("sampling_locations", locations, [*grid, 2]),
        helper.make_tensor_value_info("attention_weights", weights or locations, grid),
    ]
    results = [helper.make_tensor_value_info(name, outside, None) for name in outputs]
    node = helper.make_node(op, INPUTS, outputs, domain="fmmp", plugin_version="1", plugin_namespace="")
    nodes = [node]
    if cast:
        node.input[0] = "value_cast"
        nodes.insert(0, helper.make_node("Cast", ["value"], ["value_cast"], to=BFLOAT16))
        for index, name in enumerate(outputs):
            node.output[index] = f"{name}_cast"
            nodes.append(helper.make_node("Cast", [f"{name}_cast"], [name], to=FLOAT))
    graph = helper.make_graph(nodes, "one_node", inputs, results)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("fmmp", 1)]
    proto: onnx.ModelProto = helper.make_model(graph, opset_imports=imports, ir_version=10)
    return bytes(proto.SerializeToString())


def session(graph: bytes | str) -> ort.InferenceSession:
    """Open a graph, or its file, with our library; skip the test if that is not built."""
    try:
        path = library("onnxruntime")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    options = ort.SessionOptions()
    options.register_custom_ops_library(str(path))
    options.intra_op_num_threads = 2
    options.log_severity_level = 4  # the errors that tests provoke
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


@cache
def shared_session(op: str = PER_HEAD, value: int = FLOAT, locations: int = FLOAT) -> ort.InferenceSession:
    """The session of a plain graph with all outputs, made once."""
    outputs = ("output", "coverage") if op == SHARED else ("output",)
    return session(model(op, value=value, locations=locations, outputs=outputs))
