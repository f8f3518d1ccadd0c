# SPDX-License-Identifier: Apache-2.0
"""The exporter's own half-precision graphs in TensorRT-RTX: parsed, and built with the plugin inside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fmmp_export.export import build_graphs
from fmmp_export.graph import writer
from fmmp_export.parity.examples import draw_calibration
from fmmp_train.model import ModelConfig, Network
from tests.plugins.cuda.nvidia import build_engine, require

pytestmark = pytest.mark.slow  # graphs are exported and built into engines


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three graphs of the smallest network, weights beside them."""
    require("rtx")
    network = Network(ModelConfig(backbone="resnet18", structure="lite", num_layers=1, max_keypoints=20))
    folder = tmp_path_factory.mktemp("bundle")
    writer.write(build_graphs(network.eval(), precision="fp16", shots=1, target="gpu"), folder)
    return folder


@pytest.mark.parametrize(
    ("graph", "capability"),
    [("pair", "SM86"), ("support", "SM89"), ("query", "SM120")],
)
def test_exported_graph_becomes_an_engine(
    graph: str, capability: str, bundle: Path, plugin_library: Path, tmp_path: Path
) -> None:
    engine = build_engine(bundle / f"{graph}.onnx", tmp_path, library=plugin_library, capability=capability)
    assert engine.errors == []
    assert engine.plugin_said == ""
    assert engine.kinds.count("PLUGIN_V3") >= 1  # the plugin, not the definition that the file carries
    assert plugin_library.read_bytes() in engine.plan


def test_eight_bits_become_an_engine(plugin_library: Path, tmp_path: Path) -> None:
    require("rtx")
    network = Network(ModelConfig(backbone="resnet18", structure="lite", num_layers=1, max_keypoints=20))
    crops = draw_calibration(network.config.inputs)[:4]
    writer.write(
        build_graphs(network.eval(), precision="int8", shots=1, target="gpu", calibration=crops), tmp_path
    )
    engine = build_engine(tmp_path / "query.onnx", tmp_path, library=plugin_library, capability="SM86")
    assert engine.errors == []
    types = Counter(kind for name, _, kind in engine.layers if name.startswith("backbone"))
    assert types["DataType.INT8"] >= 20  # one convolution each, and the sums beside them
    assert "DataType.FLOAT" not in types


def test_rtx_refuses_float_products_on_turing(bundle: Path, plugin_library: Path, tmp_path: Path) -> None:
    """A limit of RTX: the exporter keeps offsets and position codes in float32.

    Written as a convolution of size 1, the same product is taken.
    """
    engine = build_engine(bundle / "query.onnx", tmp_path, library=plugin_library, capability="SM75")
    assert "Turing (SM75): FP32 GEMM is not supported" in engine.errors[-1]
    assert engine.kinds.count("PLUGIN_V3") >= 1
