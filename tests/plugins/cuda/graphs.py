# SPDX-License-Identifier: Apache-2.0
"""Small ONNX graphs around the operator's node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.plugins.cuda.reference import NETWORK_LEVELS

INPUTS = ("value", "spatial_shapes", "level_start_index", "sampling_locations", "attention_weights")


@dataclass(frozen=True, kw_only=True)
class NodeSpec:
    """One node, fed by graph inputs; what a test changes to make it wrong."""

    value_type: int = TensorProto.FLOAT16
    location_type: int = TensorProto.FLOAT
    weight_type: int | None = None  # that of the locations
    shapes_type: type = np.int32
    batch: int | str = 1
    queries: int = 70
    heads: int = 8
    shared: bool = False  # SharedValueDeformableAttention
    cells: int = 1344
    weight_points: int = 4
    version: str = "1"
    attributes: dict[str, Any] = field(default_factory=dict)

    def shapes(self, batch: int | str | None = None) -> dict[str, list[int | str]]:
        """Of the three graph inputs."""
        grid = [self.batch if batch is None else batch, self.queries, self.heads, len(NETWORK_LEVELS)]
        return {
            "value": [grid[0], self.cells, 256] if self.shared else [grid[0], self.cells, self.heads, 32],
            "sampling_locations": [*grid, 4, 2],
            "attention_weights": [*grid, self.weight_points],
        }


def level_tensors(dtype: type = np.int32) -> dict[str, NDArray[Any]]:
    """The two constants of the network's levels."""
    shapes: NDArray[Any] = np.array(NETWORK_LEVELS, dtype)
    cells = shapes.prod(1)
    return {"spatial_shapes": shapes, "level_start_index": (cells.cumsum() - cells).astype(np.int32)}


def operator_node(spec: NodeSpec) -> onnx.NodeProto:
    """The node as the exporter writes it."""
    return helper.make_node(
        "SharedValueDeformableAttention" if spec.shared else "MultiScaleDeformableAttention",
        INPUTS,
        ["output", "coverage"] if spec.shared else ["output"],
        name="msda",
        domain="fmmp",
        plugin_version=spec.version,
        plugin_namespace="",
        **spec.attributes,
    )


def single_node(spec: NodeSpec | None = None) -> onnx.ModelProto:
    """A graph of that node alone."""
    spec = spec or NodeSpec()
    weight_type = spec.location_type if spec.weight_type is None else spec.weight_type
    types = (spec.value_type, spec.location_type, weight_type)
    inputs = [
        helper.make_tensor_value_info(name, dtype, shape)
        for (name, shape), dtype in zip(spec.shapes().items(), types, strict=True)
    ]
    return _model([operator_node(spec)], inputs, "output", spec, level_tensors(spec.shapes_type))


def half_network(heads: int = 64) -> onnx.ModelProto:
    """The node's surroundings in an FP16 engine: projections in half, locations and softmax in float32."""
    spec = NodeSpec(heads=heads)
    rng = np.random.default_rng(0)
    constants = {
        "project": rng.standard_normal((256, heads * 32)).astype(np.float16) / np.float16(16),
        "merge": rng.standard_normal((heads * 32, 256)).astype(np.float16) / np.float16(45),
        "per_head": np.array([0, 0, heads, 32]),
        "per_point": np.array([0, 0, 0, 3, 4]),
        "flat": np.array([0, 0, heads * 32]),
        **level_tensors(),
    }
    nodes = [
        helper.make_node("MatMul", ["tokens", "project"], ["projected"]),
        helper.make_node("Reshape", ["projected", "per_head"], ["value"]),
        helper.make_node("Softmax", ["logits"], ["softmax"], axis=-1),
        helper.make_node("Reshape", ["softmax", "per_point"], ["attention_weights"]),
        operator_node(spec),
        helper.make_node("Reshape", ["output", "flat"], ["sampled"]),
        helper.make_node("MatMul", ["sampled", "merge"], ["result"]),
    ]
    inputs = [
        helper.make_tensor_value_info("tokens", TensorProto.FLOAT16, [1, 1344, 256]),
        helper.make_tensor_value_info("sampling_locations", TensorProto.FLOAT, [1, 70, heads, 3, 4, 2]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 70, heads, 12]),
    ]
    return _model(nodes, inputs, "result", spec, constants)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    output: str,
    spec: NodeSpec,
    constants: dict[str, NDArray[Any]],
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "operator",
        inputs,
        [helper.make_tensor_value_info(output, spec.value_type, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("fmmp", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)
