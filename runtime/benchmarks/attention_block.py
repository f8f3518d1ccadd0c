# SPDX-License-Identifier: Apache-2.0
"""How fast one packed attention layer runs on this CPU, written in three ways.

From tokens, offsets and logits to the sampled and projected vectors of 64 heads: projecting every cell first,
projecting the samples, and the fused operator that does it all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from side_by_side import report, session

LEVELS = [(32, 32), (16, 16), (8, 8)]
CELLS = sum(height * width for height, width in LEVELS)
QUERIES, REFERENCES, HEADS, DIM, HEAD_DIM, POINTS = 70, 8, 64, 256, 32, 4
GRID = f"{QUERIES}, {HEADS}, {len(LEVELS)}, {POINTS}"
INPUTS = f"""float[1, {CELLS}, {DIM}] value, int32[3, 2] spatial_shapes, int32[3] level_start_index,
    float[1, {QUERIES}, {REFERENCES}, 2] reference_points, float[1, {GRID}, 2] sampling_offsets,
    float[1, {GRID}] attention_logits"""
OPERANDS = "value, spatial_shapes, level_start_index, reference_points, sampling_offsets, attention_logits"

# Softmax of the logits and arithmetic of the locations, in standard ONNX.
PREPARATION = f"""
    flat_shape = Constant <value_ints = [1, {QUERIES}, {HEADS}, {len(LEVELS) * POINTS}]> ()
    flat_logits = Reshape (attention_logits, flat_shape)
    flat_weights = Softmax <axis = -1> (flat_logits)
    grid_shape = Constant <value_ints = [1, {GRID}]> ()
    attention_weights = Reshape (flat_weights, grid_shape)
    apart_shape = Constant <value_ints = [0, 0, {REFERENCES}, -1, 3, {POINTS}, 2]> ()
    apart = Reshape (sampling_offsets, apart_shape)
    sizes = Constant <value_floats = [32.0, 32.0, 16.0, 16.0, 8.0, 8.0]> ()
    sizes_shape = Constant <value_ints = [3, 1, 2]> ()
    size_of_level = Reshape (sizes, sizes_shape)
    relative = Div (apart, size_of_level)
    point_shape = Constant <value_ints = [1, {QUERIES}, {REFERENCES}, 1, 1, 1, 2]> ()
    points = Reshape (reference_points, point_shape)
    places = Add (relative, points)
    places_shape = Constant <value_ints = [1, {GRID}, 2]> ()
    sampling_locations = Reshape (places, places_shape)
"""
SAMPLING = "spatial_shapes, level_start_index, sampling_locations, attention_weights"

GRAPHS = {
    "project every cell, then sample": f"""{PREPARATION}
        all_columns = Transpose <perm = [1, 0, 2]> (projection)
        matrix_shape = Constant <value_ints = [{DIM}, {HEADS * HEAD_DIM}]> ()
        matrix = Reshape (all_columns, matrix_shape)
        bias_shape = Constant <value_ints = [{HEADS * HEAD_DIM}]> ()
        bias = Reshape (projection_bias, bias_shape)
        product = MatMul (value, matrix)
        projected = Add (product, bias)
        heads_shape = Constant <value_ints = [1, {CELLS}, {HEADS}, {HEAD_DIM}]> ()
        heads = Reshape (projected, heads_shape)
        output = fmmp.MultiScaleDeformableAttention (heads, {SAMPLING})""",
    "sample, then project": f"""{PREPARATION}
        sampled, coverage = fmmp.SharedValueDeformableAttention (value, {SAMPLING})
        heads_first = Transpose <perm = [0, 2, 1, 3]> (sampled)
        product = MatMul (heads_first, projection)
        queries_first = Transpose <perm = [0, 2, 1, 3]> (product)
        last_axis = Constant <value_ints = [-1]> ()
        covered = Unsqueeze (coverage, last_axis)
        shift = Mul (covered, projection_bias)
        output = Add (queries_first, shift)""",
    "ProjectedDeformableAttention": f"""
        output = fmmp.ProjectedDeformableAttention ({OPERANDS}, projection, projection_bias)""",
}


def graph(body: str, projection: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
    """ONNX text; the projection is a weight of the graph, so that ONNX Runtime may rearrange it."""
    numbers = {"projection": projection, "projection_bias": bias}
    weights = ", ".join(
        f"float[{', '.join(map(str, array.shape))}] {name} = {{{', '.join(f'{x:.6g}' for x in array.flat)}}}"
        for name, array in numbers.items()
    )
    return f"""<ir_version: 10, opset_import: ["": 17, "fmmp": 1]>
        block ({INPUTS}) => (float[1, {QUERIES}, {HEADS}, {HEAD_DIM}] output) <{weights}> {{ {body} }}"""


def main(argv: Sequence[str] | None = None) -> int:
    """Print one row per graph."""
    parser = argparse.ArgumentParser(
        description="Time one packed attention layer on the CPU, written in three ways."
    )
    parser.add_argument("--threads", type=int, default=1, help="of each session (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=30, help="calls of each graph (default: %(default)s)")
    args = parser.parse_args(argv)
    rng = np.random.default_rng(0)
    projection = rng.normal(0, 1 / 16, (HEADS, DIM, HEAD_DIM)).astype(np.float32)
    bias = rng.normal(0, 1 / 16, (HEADS, HEAD_DIM)).astype(np.float32)
    grid = (1, QUERIES, HEADS, len(LEVELS), POINTS)
    feed = {
        "value": rng.normal(0, 1, (1, CELLS, DIM)).astype(np.float32),
        "spatial_shapes": np.array(LEVELS, np.int32),
        "level_start_index": np.array([0, 1024, 1280], np.int32),
        "reference_points": rng.uniform(0, 1, (1, QUERIES, REFERENCES, 2)).astype(np.float32),
        "sampling_offsets": rng.normal(0, 2, (*grid, 2)).astype(np.float32),
        "attention_logits": rng.normal(0, 1, grid).astype(np.float32),
    }
    sessions = {name: session(graph(body, projection, bias), args.threads) for name, body in GRAPHS.items()}
    report(f"one layer, {args.threads} thread(s)", sessions, dict.fromkeys(sessions, feed), args.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
