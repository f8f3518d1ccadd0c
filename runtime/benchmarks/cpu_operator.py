# SPDX-License-Identifier: Apache-2.0
"""How fast the operators run in ONNX Runtime on this CPU, against their GridSample decomposition.

The network's own sizes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from side_by_side import report, session

LEVELS = [(32, 32), (16, 16), (8, 8)]
QUERIES, HEADS, HEAD_DIM, DIM, POINTS = 70, 64, 32, 256, 4
CELLS = sum(height * width for height, width in LEVELS)
HEADER = '<ir_version: 10, opset_import: ["": 17, "fmmp": 1]>'
GRID = f"{QUERIES}, {HEADS}, {len(LEVELS)}, {POINTS}"
LOCATIONS = f"float[1, {GRID}, 2] sampling_locations, float[1, {GRID}] attention_weights"
SIZES = "int32[L, 2] spatial_shapes, int32[L] level_start_index"
OPERANDS = "value, spatial_shapes, level_start_index, sampling_locations, attention_weights"


def operator() -> str:
    """`MultiScaleDeformableAttention` on 64 heads of 32 channels: the eight structure heads packed."""
    return f"""{HEADER} packed (float[1, {CELLS}, {HEADS}, {HEAD_DIM}] value, {SIZES}, {LOCATIONS})
    => (float[B, Q, M, D] output)
    {{ output = fmmp.MultiScaleDeformableAttention ({OPERANDS}) }}"""


def shared_operator() -> str:
    """`SharedValueDeformableAttention` on 64 heads that read one map of 256 channels."""
    return f"""{HEADER} shared (float[1, {CELLS}, {DIM}] value, {SIZES}, {LOCATIONS})
    => (float[B, Q, M, D] output, float[B, Q, M] coverage)
    {{ output, coverage = fmmp.SharedValueDeformableAttention ({OPERANDS}) }}"""


def gridsample() -> str:
    """The same as `operator`, the way it is usually written in standard ONNX."""
    lines = [
        "two = Constant <value_float = 2.0> ()",
        "one = Constant <value_float = 1.0> ()",
        "scaled = Mul (sampling_locations, two)",
        "grids = Sub (scaled, one)",
    ]
    start = 0
    for level, (height, width) in enumerate(LEVELS):
        lines += [
            f"first{level} = Constant <value_ints = [{start}]> ()",
            f"last{level} = Constant <value_ints = [{start + height * width}]> ()",
            f"level{level} = Constant <value_int = {level}> ()",
            f"cells{level} = Slice (value, first{level}, last{level}, cell_axis)",
            f"maps{level} = Transpose <perm = [0, 2, 3, 1]> (cells{level})",
            f"map_shape{level} = Constant <value_ints = [{HEADS}, {HEAD_DIM}, {height}, {width}]> ()",
            f"map{level} = Reshape (maps{level}, map_shape{level})",
            f"grid_of{level} = Gather <axis = 3> (grids, level{level})",
            f"grid_t{level} = Transpose <perm = [0, 2, 1, 3, 4]> (grid_of{level})",
            f"grid{level} = Reshape (grid_t{level}, grid_shape)",
            f"sampled{level} = GridSample <align_corners = 0> (map{level}, grid{level})",
            f"weights{level} = Gather <axis = 3> (attention_weights, level{level})",
            f"weights_t{level} = Transpose <perm = [0, 2, 1, 3]> (weights{level})",
            f"weight{level} = Reshape (weights_t{level}, weight_shape)",
            f"weighted{level} = Mul (sampled{level}, weight{level})",
            f"sum{level} = ReduceSum <keepdims = 0> (weighted{level}, point_axis)",
        ]
        start += height * width
    constants = [
        "cell_axis = Constant <value_ints = [1]> ()",
        "point_axis = Constant <value_ints = [-1]> ()",
        f"grid_shape = Constant <value_ints = [{HEADS}, {QUERIES}, {POINTS}, 2]> ()",
        f"weight_shape = Constant <value_ints = [{HEADS}, 1, {QUERIES}, {POINTS}]> ()",
    ]
    ending = [
        "total = Sum (" + ", ".join(f"sum{level}" for level in range(len(LEVELS))) + ")",
        "queries_first = Transpose <perm = [2, 0, 1]> (total)",
        "batch_axis = Constant <value_ints = [0]> ()",
        "output = Unsqueeze (queries_first, batch_axis)",
    ]
    body = "\n".join(constants + lines + ending)
    return f"""{HEADER} decomposed (float[1, {CELLS}, {HEADS}, {HEAD_DIM}] value, {LOCATIONS})
    => (float[B, Q, M, D] output)
    {{ {body} }}"""


def feed(*, near: bool) -> dict[str, np.ndarray[Any, Any]]:
    """Random inputs: the samples of 8 heads lie around one place, 2 cells apart, or anywhere in the map."""
    rng = np.random.default_rng(0)
    shape = (1, QUERIES, HEADS, len(LEVELS), POINTS, 2)
    sizes = np.array(LEVELS)[:, ::-1].reshape(1, 1, 1, -1, 1, 2)
    places = np.repeat(rng.uniform(0, 1, (1, QUERIES, HEADS // 8, 1, 1, 2)), 8, axis=2)
    locations = places + rng.normal(0, 2, shape) / sizes if near else rng.uniform(0, 1, shape)
    weights = rng.random(shape[:-1])
    return {
        "value": rng.uniform(-1, 1, (1, CELLS, HEADS, HEAD_DIM)).astype(np.float32),
        "spatial_shapes": np.array(LEVELS, np.int32),
        "level_start_index": np.array([0, 1024, 1280], np.int32),
        "sampling_locations": locations.astype(np.float32),
        "attention_weights": (weights / weights.sum((-2, -1), keepdims=True)).astype(np.float32),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print one row per graph."""
    parser = argparse.ArgumentParser(description="Time the operators on the CPU against GridSample.")
    parser.add_argument("--threads", type=int, default=1, help="of each session (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=50, help="calls of each graph (default: %(default)s)")
    args = parser.parse_args(argv)
    sessions = {
        "GridSample, 64 x 32 channels": session(gridsample(), args.threads),
        "operator, 64 x 32 channels": session(operator(), args.threads),
        "shared value, 64 x 256 channels": session(shared_operator(), args.threads),
    }
    for name, near in (("samples near one place", True), ("samples anywhere", False)):
        inputs = feed(near=near)
        shared = inputs | {"value": inputs["value"].reshape(1, CELLS, -1)[..., :DIM].copy()}
        feeds = {
            graph: {
                one.name: (shared if "shared" in graph else inputs)[one.name] for one in opened.get_inputs()
            }
            for graph, opened in sessions.items()
        }
        report(f"{name}, {args.threads} thread(s)", sessions, feeds, args.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
