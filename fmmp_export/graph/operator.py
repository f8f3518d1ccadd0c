# SPDX-License-Identifier: Apache-2.0
"""The one node that is no standard ONNX operator, and its definition in standard ones.

Every file carries the definition as a model-local function of the node's own name, so that it also runs where
no kernel is registered. A registered kernel wins over the function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import onnx
import torch
from onnxscript import values

OPSET = 19  # of standard operators; since then QuantizeLinear takes halves
Msda = Literal["fmmp", "nvidia", "standard"]

INPUTS = ("value", "spatial_shapes", "level_start_index", "sampling_locations", "attention_weights")
OUTPUT = "output"


@dataclass(frozen=True)
class OperatorName:
    """What a runtime looks an operator up by; the op set version is 1."""

    domain: str
    op_type: str
    plugin_version: str

    @property
    def attributes(self) -> dict[str, str]:
        """TensorRT reads both; without the namespace some versions take the function, not the plugin."""
        return {"plugin_version": self.plugin_version, "plugin_namespace": ""}


FMMP = OperatorName("fmmp", "MultiScaleDeformableAttention", "1")
NVIDIA = OperatorName("trt.plugins", "MultiscaleDeformableAttnPlugin_TRT", "2")  # TensorRT ignores the domain

# Deformable DETR, arXiv:2010.04159, Eq. (3), without the projections: bilinear samples, half-cell centres,
# zeros outside. Arithmetic is float32 whatever the inputs are. A location that is NaN, infinite or far away
# is not `near` and counts nothing. Gather, not GridSample: TensorRT 10.14 and 11.1 get such graphs wrong.
_BODY = """
<domain: "{domain}", opset_import: ["" : {opset}]>
{op_type} <plugin_version: string = "{plugin_version}", plugin_namespace: string = "">
({inputs}) => ({output})
{{
    zero = Constant <value_float = 0.0> ()
    half = Constant <value_float = 0.5> ()
    one = Constant <value_float = 1.0> ()
    first = Constant <value_int = 0> ()
    second = Constant <value_int = 1> ()
    last_axis = Constant <value_ints = [-1]> ()
    last_axes = Constant <value_ints = [-2, -1]> ()
    corner_x = Constant <value_floats = [0.0, 1.0, 0.0, 1.0]> ()
    corner_y = Constant <value_floats = [0.0, 0.0, 1.0, 1.0]> ()

    locations = Cast <to = 1> (sampling_locations)
    weights = Cast <to = 1> (attention_weights)
    sizes = Cast <to = 1> (spatial_shapes)
    heights = Gather <axis = 1> (sizes, first)
    widths = Gather <axis = 1> (sizes, second)
    height = Unsqueeze (heights, last_axis)
    width = Unsqueeze (widths, last_axis)

    x_unit = Gather <axis = -1> (locations, first)
    y_unit = Gather <axis = -1> (locations, second)
    x_scaled = Mul (x_unit, width)
    y_scaled = Mul (y_unit, height)
    x_cells = Sub (x_scaled, half)
    y_cells = Sub (y_scaled, half)

    minus_one = Neg (one)
    right_of = Greater (x_cells, minus_one)
    left_of = Less (x_cells, width)
    below = Greater (y_cells, minus_one)
    above = Less (y_cells, height)
    near_x = And (right_of, left_of)
    near_y = And (below, above)
    near = And (near_x, near_y)
    x_near = Where (near, x_cells, zero)
    y_near = Where (near, y_cells, zero)
    weight_near = Where (near, weights, zero)

    x_floor = Floor (x_near)
    y_floor = Floor (y_near)
    x_floors = Unsqueeze (x_floor, last_axis)
    y_floors = Unsqueeze (y_floor, last_axis)
    x_corners = Add (x_floors, corner_x)
    y_corners = Add (y_floors, corner_y)
    x_nears = Unsqueeze (x_near, last_axis)
    y_nears = Unsqueeze (y_near, last_axis)
    x_apart = Sub (x_nears, x_corners)
    y_apart = Sub (y_nears, y_corners)
    x_distance = Abs (x_apart)
    y_distance = Abs (y_apart)
    x_share = Sub (one, x_distance)
    y_share = Sub (one, y_distance)
    share = Mul (x_share, y_share)
    weight_nears = Unsqueeze (weight_near, last_axis)
    corner_weights = Mul (share, weight_nears)

    width_3 = Unsqueeze (widths, last_axes)
    height_3 = Unsqueeze (heights, last_axes)
    x_last = Sub (width_3, one)
    y_last = Sub (height_3, one)
    x_low = Max (x_corners, zero)
    y_low = Max (y_corners, zero)
    x_clamped = Min (x_low, x_last)
    y_clamped = Min (y_low, y_last)
    x_inside = Equal (x_clamped, x_corners)
    y_inside = Equal (y_clamped, y_corners)
    inside = And (x_inside, y_inside)
    inside_weights = Where (inside, corner_weights, zero)

    row = Mul (y_clamped, width_3)
    cell_in_level = Add (row, x_clamped)
    cell_in_level_int = Cast <to = 7> (cell_in_level)
    starts = Cast <to = 7> (level_start_index)
    starts_3 = Unsqueeze (starts, last_axes)
    cell = Add (cell_in_level_int, starts_3)

    num_batch = Shape <start = 0, end = 1> (value)
    num_cells = Shape <start = 1, end = 2> (value)
    num_heads = Shape <start = 2, end = 3> (value)
    head_dim = Shape <start = 3, end = 4> (value)
    batch_count = Squeeze (num_batch)
    head_count = Squeeze (num_heads)
    batch_range = Range (first, batch_count, second)
    head_range = Range (first, head_count, second)
    after_batch = Constant <value_ints = [1, 2, 3, 4, 5]> ()
    after_head = Constant <value_ints = [1, 2, 3]> ()
    batch_index = Unsqueeze (batch_range, after_batch)
    head_index = Unsqueeze (head_range, after_head)
    batch_start = Mul (batch_index, num_cells)
    cell_of_all = Add (cell, batch_start)
    head_start = Mul (cell_of_all, num_heads)
    index = Add (head_start, head_index)

    flattened = Constant <value_ints = [-1]> ()
    value_shape = Concat <axis = 0> (flattened, head_dim)
    rows = Reshape (value, value_shape)
    level_points = Shape <start = 3> (index)
    num_taps = ReduceProd (level_points)
    read_by = Shape <start = 0, end = 3> (index)
    index_axes = Concat <axis = 0> (read_by, num_taps)
    flat_index = Reshape <allowzero = 1> (index, index_axes)
    taps = Gather <axis = 0> (rows, flat_index)
    taps_float = Cast <to = 1> (taps)
    row_axis = Constant <value_ints = [1]> ()
    weight_axes = Concat <axis = 0> (read_by, row_axis, num_taps)
    flat_weights = Reshape <allowzero = 1> (inside_weights, weight_axes)
    summed = MatMul (flat_weights, taps_float)
    output_axis = Constant <value_ints = [3]> ()
    squeezed = Squeeze (summed, output_axis)
    {output} = CastLike (squeezed, value)
}}
"""


def definition(name: OperatorName) -> onnx.FunctionProto:
    """The operator in standard ONNX, as a function called `name`."""
    return onnx.parser.parse_function(
        _BODY.format(
            domain=name.domain,
            op_type=name.op_type,
            plugin_version=name.plugin_version,
            opset=OPSET,
            inputs=", ".join(INPUTS),
            output=OUTPUT,
        )
    )


FLOATS = ("tensor(float)", "tensor(float16)")
INTEGERS = "tensor(int32)"
Writer = Callable[..., Any]


def translation_table() -> dict[Callable[..., Any], Writer]:
    """How torch's exporter writes `fmmp::ms_deform_attn`: as one node."""
    types = dict(zip(INPUTS, ("T", INTEGERS, INTEGERS, "L", "L"), strict=True))
    return {torch.ops.fmmp.ms_deform_attn.default: node_writer(FMMP.op_type, types, FMMP.attributes)}


def node_writer(op_type: str, types: Mapping[str, str], attributes: Mapping[str, str]) -> Writer:
    """How torch's exporter writes a call: as one node `op_type` of our domain.

    Args:
        op_type: name of the operator; its output has the type "T".
        types: of each input, "T" or "L" for one that varies.
        attributes: of the node.
    """
    schema = onnx.defs.OpSchema
    node = values.Op(
        values.Opset(FMMP.domain, 1),
        op_type,
        schema(
            op_type,
            FMMP.domain,
            1,
            inputs=[schema.FormalParameter(name, kind) for name, kind in types.items()],
            outputs=[schema.FormalParameter(OUTPUT, "T")],
            type_constraints=[(kind, list(FLOATS), "") for kind in ("T", "L") if kind in types.values()],
            attributes=[
                schema.Attribute(name, schema.AttrType.STRING, "read by TensorRT") for name in attributes
            ],
        ),
    )

    def write(*inputs: Any) -> Any:  # noqa: ANN401  # symbolic tensors of torch's exporter, which has no public type
        return node(*inputs, **attributes)

    return write
