# SPDX-License-Identifier: Apache-2.0
"""Deformable attention and its surroundings as one call: softmax, locations, sampling, head projections.

Under `torch.export` it is one call of `fmmp::projected_attn`, which the exporter writes as the node
`fmmp::ProjectedDeformableAttention`. It has a kernel for the CPU alone; its definition is the order of a GPU,
which projects every cell before it samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import torch
from torch import Tensor

from fmmp_export.graph.operator import FMMP, INTEGERS, OPSET, OUTPUT, Writer, node_writer
from fmmp_train.model.deform_attn import ms_deform_attn

PROJECTED = "ProjectedDeformableAttention"  # of our domain
INPUT_TYPES = {
    "value": "T",
    "spatial_shapes": INTEGERS,
    "level_start_index": INTEGERS,
    "reference_points": "tensor(float)",
    "sampling_offsets": "tensor(float)",
    "attention_logits": "tensor(float)",
    "projection": "T",
    "projection_bias": "T",
}

_DEFINITION = f"""
<domain: "{FMMP.domain}", opset_import: ["" : {OPSET}, "{FMMP.domain}" : 1]>
{PROJECTED} ({", ".join(INPUT_TYPES)}) => ({OUTPUT})
{{
    one = Constant <value_ints = [1]> ()
    two = Constant <value_ints = [2]> ()
    three = Constant <value_ints = [3]> ()
    rest = Constant <value_ints = [-1]> ()

    heads = Shape <start = 0, end = 1> (projection)
    channels = Shape <start = 1, end = 2> (projection)
    head_dim = Shape <start = 2, end = 3> (projection)
    columns = Mul (heads, head_dim)
    matrix_shape = Concat <axis = 0> (channels, columns)
    channels_first = Transpose <perm = [1, 0, 2]> (projection)
    matrix = Reshape (channels_first, matrix_shape)
    bias = Reshape (projection_bias, columns)
    product = MatMul (value, matrix)
    shifted = Add (product, bias)
    cells = Shape <start = 0, end = 2> (value)
    cells_shape = Concat <axis = 0> (cells, heads, head_dim)
    projected = Reshape <allowzero = 1> (shifted, cells_shape)

    grid = Shape (attention_logits)
    read_by = Shape <start = 0, end = 3> (attention_logits)
    reads = Shape <start = 3> (attention_logits)
    num_reads = ReduceProd (reads)
    row_shape = Concat <axis = 0> (read_by, num_reads)
    rows = Reshape <allowzero = 1> (attention_logits, row_shape)
    shares = Softmax <axis = -1> (rows)
    weights = Reshape <allowzero = 1> (shares, grid)

    sizes = Cast <to = 1> (spatial_shapes)
    swapped = Constant <value_ints = [1, 0]> ()
    sizes_xy = Gather <axis = 1> (sizes, swapped)
    sizes_of_level = Unsqueeze (sizes_xy, one)
    steps = Div (sampling_offsets, sizes_of_level)
    queries = Shape <start = 0, end = 2> (reference_points)
    points = Shape <start = 2, end = 3> (reference_points)
    per_point = Div (heads, points)
    spread_shape = Concat <axis = 0> (queries, points, per_point, two)
    apart = Unsqueeze (reference_points, three)
    spread = Expand (apart, spread_shape)
    around_shape = Concat <axis = 0> (queries, heads, one, one, two)
    around = Reshape <allowzero = 1> (spread, around_shape)
    locations = Add (around, steps)

    {OUTPUT} = {FMMP.domain}.{FMMP.op_type} <plugin_version = "{FMMP.plugin_version}", plugin_namespace = "">
        (projected, spatial_shapes, level_start_index, locations, weights)
}}
"""


def projected_definition() -> onnx.FunctionProto:
    """The operator in standard ONNX and the plain operator."""
    return onnx.parser.parse_function(_DEFINITION)


def projected_translation() -> dict[Callable[..., Any], Writer]:
    """How torch's exporter writes `fmmp::projected_attn`: as one node, without the attributes of a plugin."""
    return {torch.ops.fmmp.projected_attn.default: node_writer(PROJECTED, INPUT_TYPES, {})}


@torch.library.custom_op("fmmp::projected_attn", mutates_args=())
def projected_attn(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    reference_points: Tensor,
    sampling_offsets: Tensor,
    attention_logits: Tensor,
    projection: Tensor,
    projection_bias: Tensor,
) -> Tensor:
    """Read tokens around points and project what was read; here in the order that is easy to follow.

    Args:
        value: (B, N, C) tokens.
        spatial_shapes: (L, 2) int32, **H, W** of each level.
        level_start_index: (L,) int32.
        reference_points: (B, Q, R, 2), **x, y** in [0, 1]; M / R heads in turn share a point.
        sampling_offsets: (B, Q, M, L, P, 2), cells.
        attention_logits: (B, Q, M, L, P).
        projection: (M, C, D).
        projection_bias: (M, D), counted as much as the weight that fell on the maps.

    Returns:
        (B, Q, M, D).
    """
    heads, per_point = projection.shape[0], projection.shape[0] // reference_points.shape[2]
    projected = torch.einsum("bnc,mcd->bnmd", value, projection) + projection_bias
    weights = attention_logits.flatten(-2).softmax(-1).view_as(attention_logits)
    around = reference_points.repeat_interleave(per_point, dim=2).view(*weights.shape[:2], heads, 1, 1, 2)
    locations = around + sampling_offsets / spatial_shapes.flip(-1)[:, None]  # (H, W) -> (W, H)
    return ms_deform_attn(projected, spatial_shapes, level_start_index, locations, weights).contiguous()


@projected_attn.register_fake
def _(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    reference_points: Tensor,
    sampling_offsets: Tensor,
    attention_logits: Tensor,
    projection: Tensor,
    projection_bias: Tensor,
) -> Tensor:
    return value.new_empty(*attention_logits.shape[:3], projection.shape[-1])
