# SPDX-License-Identifier: Apache-2.0
"""Half precision, written into the graph: every tensor has an explicit type, as strong typing wants.

Half is what is heavy and tolerates it, told by the module that a node came from. Float32 are points and all
that leads to them (sampling offsets and locations, sigmoid and its inverse, position codes, keypoint heads,
the match), softmax and normalisations. On a 256 pixel image a half near 1 steps by an eighth of a pixel.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from fmmp_export.graph.operator import FMMP
from fmmp_export.graph.projected import PROJECTED
from fmmp_export.graph.writer import scope

# First or last word of a module's path. Everything else stays float32.
HALF_TREES = ("backbone", "pyramid")
HALF_LAYERS = ("value_proj", "output_proj", "projector", "linear1", "linear2")

# Nodes that take over the type of what they read, because they round nothing. So do the operators: their
# arithmetic is float32 whatever their value is, and locations and weights stay float32.
ROUNDS_NOTHING = (
    *("Concat", "Expand", "Gather", "Identity", "Relu", "Reshape"),
    *("Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
)
# Positions of the inputs that change; their other float inputs are float32 by definition.
CHANGING_INPUTS = {FMMP.op_type: (0,), PROJECTED: (0, 6, 7), "Resize": (0,)}
OPERATORS = (FMMP.op_type, PROJECTED)


def to_half(model: ir.Model, *, half_inputs: Collection[str] = (), half_value: bool = True) -> list[str]:
    """Turn a float32 graph into one of mixed precision, in place.

    Args:
        model: from `onnx_writer.trace`, whose nodes still know their modules.
        half_inputs: inputs to be taken as half, because another graph hands them out so.
        half_value: whether the deformable attention takes a half value beside float32 locations;
            NVIDIA's plugin does not.

    Returns:
        Names of the outputs that are half now: parts of the state, since answers stay float32.

    Raises:
        ValueError: a weight is too large for half precision; names it.
    """
    change = _Change(model.graph)
    for value in model.graph.inputs:
        if value.name in half_inputs:
            change.widen(value)
    for node in list(model.graph):
        if _in_half_module(node) or change.can_follow(node, half_value=half_value):
            change.convert(node)
    half_outputs = change.hand_out_halves("state_")
    common.RemoveUnusedNodesPass()(model)
    return half_outputs


def _in_half_module(node: ir.Node) -> bool:
    words = scope(node).split(".")
    return words[0] in HALF_TREES or words[-1] in HALF_LAYERS


class _Change:
    """One graph under change: which float32 values have a half twin that they were widened from."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.twin: dict[ir.Value, ir.Value] = {}

    def can_follow(self, node: ir.Node, *, half_value: bool) -> bool:
        """Whether all that `node` reads has a half twin, and it may be half itself."""
        if node.op_type not in ROUNDS_NOTHING and not (half_value and node.op_type in OPERATORS):
            return False
        read = [node.inputs[index] for index in self._float_inputs(node)]
        free = [value for value in read if value is not None and not value.is_initializer()]
        return bool(free) and all(value in self.twin for value in free)

    def convert(self, node: ir.Node) -> None:
        """Let `node` read and write halves; whoever else uses its outputs gets them widened."""
        for index in self._float_inputs(node):
            node.replace_input_with(index, self._narrowed(node, index))
        for output in node.outputs:
            if output.dtype == ir.DataType.FLOAT:
                self.widen(output)

    def widen(self, value: ir.Value) -> None:
        """Make `value` half and give its users, and the graph's output, a float32 copy."""
        value.type = ir.TensorType(ir.DataType.FLOAT16)
        cast = _cast(value, ir.DataType.FLOAT)
        wide = cast.outputs[0]
        value.replace_all_uses_with(wide, replace_graph_outputs=True)
        cast.replace_input_with(0, value)
        if wide.is_graph_output():
            wide.name, value.name = value.name, f"{value.name}_half"
        producer = value.producer()
        if producer is None:
            self.graph.insert_before(self.graph[0], cast)
        else:
            self.graph.insert_after(producer, cast)
        self.twin[wide] = value

    def hand_out_halves(self, prefix: str) -> list[str]:
        """Let outputs whose names start with `prefix` be the half twin, where there is one."""
        names = []
        for index, value in enumerate(self.graph.outputs):
            twin = self.twin.get(value)
            if twin is not None and value.name is not None and value.name.startswith(prefix):
                names.append(value.name)
                value.name, twin.name = f"{value.name}_wide", value.name
                self.graph.outputs[index] = twin
        return names

    def _float_inputs(self, node: ir.Node) -> list[int]:
        """Positions of the float32 inputs that change with the node's type."""
        positions = CHANGING_INPUTS.get(node.op_type, range(len(node.inputs)))
        return [
            index
            for index in positions
            if (value := node.inputs[index]) is not None and value.dtype == ir.DataType.FLOAT
        ]

    def _narrowed(self, node: ir.Node, index: int) -> ir.Value:
        """The half twin of an input, made if there is none yet."""
        value = node.inputs[index]
        assert value is not None  # from _float_inputs
        if value not in self.twin:
            if value.is_initializer():
                self.twin[value] = self._half_weight(value)
            else:
                cast = _cast(value, ir.DataType.FLOAT16)
                self.graph.insert_before(node, cast)
                self.twin[value] = cast.outputs[0]
        return self.twin[value]

    def _half_weight(self, value: ir.Value) -> ir.Value:
        assert value.const_value is not None  # an initializer
        with np.errstate(over="ignore"):
            array = value.const_value.numpy().astype(np.float16)
        if not np.isfinite(array).all():
            raise ValueError(
                f"{value.name} exceeds 65504, the range of half precision: export without --fp16"
            )
        half = ir.Value(
            name=f"{value.name}_half",
            type=ir.TensorType(ir.DataType.FLOAT16),
            shape=value.shape,
            const_value=ir.Tensor(array, name=f"{value.name}_half"),
        )
        self.graph.register_initializer(half)
        return half


def _cast(value: ir.Value, to: ir.DataType) -> ir.Node:
    node = ir.node("Cast", [value], {"to": int(to)})
    output = node.outputs[0]
    output.name = f"{value.name}_to_{'half' if to == ir.DataType.FLOAT16 else 'float'}"
    output.type, output.shape = ir.TensorType(to), value.shape
    return node
