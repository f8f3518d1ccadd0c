# SPDX-License-Identifier: Apache-2.0
"""`fmmp-parity`: right bundles pass, and what is wrong is found where it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from fmmp_export.cli.parity import main
from fmmp_export.export import Export
from fmmp_export.graph.parts import Part, example_inputs, support_part
from fmmp_export.graph.repack import repack
from fmmp_export.graph.writer import export_program
from fmmp_export.parity import compare as parity
from fmmp_export.parity import tensors as parity_tensors
from fmmp_export.parity.compare import compare_bundle
from fmmp_export.parity.tensors import compare_tensors, torch_tensors
from fmmp_runtime import backends
from fmmp_runtime.backends import Backend
from fmmp_runtime.bundle.engines import EngineError, EngineSpec
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import BundleError
from fmmp_runtime.files import sha256
from fmmp_train.checkpoint.files import save_model
from fmmp_train.model import Network
from fmmp_train.model.images import MEAN, STD
from tests.export.conftest import SHOTS


@pytest.fixture(autouse=True)
def _traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace of one part takes 5 s, and all tests here look at the same few."""
    monkeypatch.setattr(parity_tensors, "export_program", export_once)


_PROGRAMS: dict[tuple[tuple[str, ...], str], torch.onnx.ONNXProgram] = {}


def export_once(part: Part) -> torch.onnx.ONNXProgram:
    key = part.inputs, repr(part.module)
    if key not in _PROGRAMS:
        _PROGRAMS[key] = export_program(part)
    return _PROGRAMS[key]


def spoil(bundle: Path, folder: Path, graph: str, change: Callable[[onnx.ModelProto], None]) -> Path:
    """A copy of a bundle with one graph changed, and a hash that fits."""
    shutil.copytree(bundle, folder)
    file = folder / f"{graph}.onnx"
    model = onnx.load(file, load_external_data=False)
    change(model)
    onnx.save(model, file)
    content = Bundle.open(bundle).model
    replace(content, files=content.files | {file.name: sha256(file)}).write(folder)
    return folder


def scale_output_of(node_name: str, by: float) -> Callable[[onnx.ModelProto], None]:
    """Multiply what a node gives."""

    def change(model: onnx.ModelProto) -> None:
        place, node = next((i, n) for i, n in enumerate(model.graph.node) if n.name == node_name)
        name = node.output[0]
        node.output[0] = "before_the_fault"
        model.graph.initializer.append(numpy_helper.from_array(np.float32(by), "fault"))
        model.graph.node.insert(
            place + 1,
            onnx.helper.make_node("Mul", ["before_the_fault", "fault"], [name], name=node_name + "!"),
        )

    return change


def test_a_right_bundle_passes(checkpoint: Path, cpu_export: Export) -> None:
    found = compare_bundle(checkpoint, cpu_export.path)
    assert found.passed
    [backend] = found.backends
    assert backend.backend == "onnxruntime"
    assert [layer.pck for layer in backend.layers] == [layer.pck_torch for layer in backend.layers]
    assert max(layer.max_px for layer in backend.layers) < 1e-4 * 64 * 2**0.5
    assert [tensors.graph for tensors in found.tensors] == ["support", "query"]
    for tensors in found.tensors:
        assert tensors.first is None
        assert tensors.compared > 100


def test_half_precision_has_its_own_tolerance(checkpoint: Path, cpu_half_export: Export) -> None:
    found = compare_bundle(checkpoint, cpu_half_export.path)
    assert found.precision == "fp16"
    assert all(tensors.first is None for tensors in found.tensors)
    assert max(tensors.worst.error for tensors in found.tensors) > 1e-4  # it is no float32


def test_the_first_tensor_that_is_off_is_named(
    checkpoint: Path, cpu_export: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = onnx.load(cpu_export.path / "query.onnx", load_external_data=False).graph
    wrong = next(n.name for n in graph.node if n.name.startswith("query_miners.1.self_norm/"))
    spoilt = spoil(cpu_export.path, tmp_path / "spoilt", "query", scale_output_of(wrong, 1.2))
    assert main(["--ckpt", str(checkpoint), "--bundle", str(spoilt), "--json", str(tmp_path / "p.json")]) == 1
    printed = capsys.readouterr().out
    assert "FAIL" in printed
    [row] = json.loads((tmp_path / "p.json").read_text())
    assert not row["passed"]
    support, query = row["tensors"]
    assert support["first"] is None
    assert query["first"]["node"].startswith("query_miners.1.self_norm/")
    assert "largest difference of a layer" in row["backends"][0]["faults"][0]
    layers = row["backends"][0]["layers"]
    assert layers[0]["max_px"] < 0.01 < layers[1]["max_px"]  # the layer before it is right


def test_names_mean_the_same_tensors(network: Network, cpu_export: Export) -> None:
    """With other inputs in torch than in the graph, nearly everything is off."""
    part = support_part(repack(network, "cpu"), shots=SHOTS, mean=MEAN, std=STD)
    inputs = example_inputs(network.config.inputs, SHOTS)
    del inputs["query"]
    assert "state_mined" in torch_tensors(part, inputs)
    graph = cpu_export.path / "support.onnx"
    assert all(error.passed for error in compare_tensors(part, graph, inputs, "fp32"))
    other = part._replace(module=Wrong(part.module))
    off = [error.passed for error in compare_tensors(other, graph, inputs, "fp32")]
    assert np.mean(off) < 0.5


class Wrong(torch.nn.Module):
    """Brightens the support."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.network = module

    def forward(self, support: torch.Tensor, *annotation: torch.Tensor) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = self.network(support + 99, *annotation)
        return found


def test_another_checkpoint_is_refused(network: Network, cpu_export: Export, tmp_path: Path) -> None:
    other = Network(network.config)
    save_model(other, tmp_path / "other.safetensors")
    with pytest.raises(BundleError, match="compare it with its own checkpoint"):
        compare_bundle(tmp_path / "other.safetensors", cpu_export.path)


def test_a_backend_that_is_not_here(
    checkpoint: Path, cpu_export: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ["--ckpt", str(checkpoint), "--bundle", str(cpu_export.path), "--backend", "tensorrt"]
    with pytest.raises(SystemExit) as stop:
        main(call)
    assert stop.value.code == 1
    assert "fmmp-parity:" in capsys.readouterr().err


def test_an_engine_that_fails_is_no_absent_one(
    checkpoint: Path, cpu_export: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "with-engine"
    shutil.copytree(cpu_export.path, folder)
    model = Bundle.open(folder).model
    engine = EngineSpec(
        graph="query",
        backend="tensorrt",
        version="10",
        arch="sm86",
        plugin="0",
        sha256="0" * 64,
        built_from={},
        plugin_inside=False,
    )
    replace(model, engines=[engine]).write(folder)

    def create(name: str, bundle: Bundle, threads: int) -> Backend:
        if name == "tensorrt":
            raise EngineError("the GPU has fallen off the bus")
        return backends.create(name, bundle, threads)

    monkeypatch.setattr(parity, "create", create)
    found = compare_bundle(checkpoint, folder)
    assert found.passed
    assert list(found.absent) == ["tensorrt"]  # no GPU here, which is no fault
    monkeypatch.setattr(parity, "obstacles", lambda name, bundle: [])
    with pytest.raises(EngineError, match="fallen off"):
        compare_bundle(checkpoint, folder)


def test_nothing_compared_is_no_pass() -> None:
    empty = parity.BundleParity(bundle="b", precision="fp32", backends=[], absent={}, tensors=[])
    assert not empty.passed


def test_wrong_arguments_end_with_2() -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--ckpt", "a"])
    assert stop.value.code == 2


def test_missing_files_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--ckpt", str(tmp_path / "none"), "--bundle", str(tmp_path / "no bundle")])
    assert stop.value.code == 1
    assert "no bundle at" in capsys.readouterr().err
