# SPDX-License-Identifier: Apache-2.0
"""TensorRT-RTX parses our node and builds engines ahead of time: NVIDIA's own parser and builder, no GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import TensorProto

from tests.plugins.cuda.graphs import NodeSpec, half_network, single_node
from tests.plugins.cuda.nvidia import build_engine
from tests.plugins.cuda.reference import NETWORK_LEVELS

SIZES = [size for level in NETWORK_LEVELS for size in level]


@pytest.mark.parametrize("capability", ["SM75", "SM86", "SM89", "SM120"])
def test_half_engine_carries_the_plugin(capability: str, plugin_library: Path, tmp_path: Path) -> None:
    engine = build_engine(half_network(), tmp_path, library=plugin_library, capability=capability)
    assert engine.errors == []
    assert ("msda", "PLUGIN_V3", "DataType.HALF") in engine.layers
    assert plugin_library.read_bytes() in engine.plan
    assert engine.plugin_said == ""


def test_a_build_is_repeatable(plugin_library: Path, tmp_path: Path) -> None:
    plans = [build_engine(half_network(8), tmp_path, library=plugin_library).plan for _ in range(2)]
    assert plans[0] == plans[1] != b""


@pytest.mark.parametrize("value", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16])
def test_every_type_and_a_dynamic_batch(value: int, plugin_library: Path, tmp_path: Path) -> None:
    spec = NodeSpec(value_type=value, batch="batch", attributes={"level_sizes": SIZES})
    profile = {name: [spec.shapes(batch)[name] for batch in (1, 1, 8)] for name in spec.shapes()}
    engine = build_engine(single_node(spec), tmp_path, library=plugin_library, profile=profile)
    assert engine.errors == []
    assert engine.messages == []
    assert engine.plan


def test_shared_value(plugin_library: Path, tmp_path: Path) -> None:
    spec = NodeSpec(shared=True, heads=64, attributes={"level_sizes": SIZES})
    engine = build_engine(single_node(spec), tmp_path, library=plugin_library)
    assert engine.errors == []
    assert engine.plan


def test_half_locations(plugin_library: Path, tmp_path: Path) -> None:
    spec = NodeSpec(location_type=TensorProto.FLOAT16)
    assert build_engine(single_node(spec), tmp_path, library=plugin_library).plan


HALF, INT64 = TensorProto.FLOAT16, "int64"
WRONG = {
    "half locations, float value": (
        NodeSpec(value_type=TensorProto.FLOAT, location_type=HALF),
        "sampling_locations must be float32 to go with a float32 value, got float16",
    ),
    "locations and weights differ": (
        NodeSpec(weight_type=HALF),
        "attention_weights must be float32, as sampling_locations is, got float16",
    ),
    "int64 shapes": (NodeSpec(shapes_type=int), "spatial_shapes must be int32, got int64"),
    "5 points against 4": (
        NodeSpec(weight_points=5),
        "attention_weights must be [1, 70, 8, 3, 4] to go with sampling_locations, got [1, 70, 8, 3, 5]",
    ),
    "a cell too few": (
        NodeSpec(cells=1343, attributes={"level_sizes": SIZES}),
        "level_sizes: spatial_shapes must describe the 1343 cells of value, got 1344",
    ),
    "a level too few": (
        NodeSpec(attributes={"level_sizes": SIZES[:4]}),
        "level_sizes must hold 6 numbers, height and width of each level, got 4",
    ),
    "an odd number of sizes": (
        NodeSpec(attributes={"level_sizes": SIZES[:5]}),
        "level_sizes must be up to 16 int32 numbers, height and width of each level, got 5",
    ),
}


@pytest.mark.parametrize(("spec", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_graph_is_refused_by_name(
    spec: NodeSpec, message: str, plugin_library: Path, tmp_path: Path
) -> None:
    engine = build_engine(single_node(spec), tmp_path, library=plugin_library)
    assert engine.errors
    assert not engine.plan
    assert "fmmp::MultiScaleDeformableAttention: " in engine.plugin_said
    assert message in engine.plugin_said


@pytest.mark.parametrize("missing", ["version 2 of the plugin", "the library"])
def test_parser_says_that_there_is_no_such_plugin(missing: str, plugin_library: Path, tmp_path: Path) -> None:
    spec = NodeSpec(version="2") if missing.startswith("version") else NodeSpec()
    engine = build_engine(
        single_node(spec), tmp_path, library=None if missing == "the library" else plugin_library
    )
    assert "Plugin not found, are the plugin name, version, and namespace correct?" in engine.errors[0]
