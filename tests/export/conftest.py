# SPDX-License-Identifier: Apache-2.0
"""One small network with every part that a real one has, exported once in every way."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest
import torch

from fmmp_export import export as export_module
from fmmp_export.export import Export, assemble, export_bundle, query_name
from fmmp_export.graph import writer
from fmmp_export.graph.parts import Part
from fmmp_runtime.bundle.specs import Target
from fmmp_train.checkpoint.files import save_model
from fmmp_train.model import ModelConfig, Network

SHOTS = 2
CONFIG = ModelConfig(
    backbone="test_efficientnet",  # 80 000 parameters; batch normalisation, uneven padding
    dim=32,
    num_heads=4,
    num_points=2,
    num_layers=2,
    max_keypoints=12,
    image_size=64,
    structure="full",
    start="match",
)


@pytest.fixture(scope="session")
def network() -> Network:
    """Random weights that move the points; those of a fresh network leave them where they start."""
    torch.manual_seed(0)
    network = Network(CONFIG).eval()
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if name.startswith("point_heads") and name.endswith("6.weight"):
                tensor.normal_(std=0.3)
            if "sampling_offsets.weight" in name or "attention_weights.weight" in name:
                tensor.normal_(std=0.1)
    return network


@pytest.fixture(scope="session")
def checkpoint(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_model(network, path)
    return path


class Recorder:
    """Traces, and keeps a copy of what it traced: a second trace would take seconds."""

    def __init__(self) -> None:
        self.traced: list[ir.Model] = []
        self._trace = writer.trace

    def __call__(self, part: Part) -> ir.Model:
        model = self._trace(part)
        self.traced.append(clone(model))
        return model


def clone(model: ir.Model) -> ir.Model:
    return ir.Model(model.graph.clone(), ir_version=model.ir_version)


# The support half; the query halves and the graphs of the search by name.
Traced = tuple[ir.Model, dict[str, ir.Model], dict[str, ir.Model]]


def record(checkpoint: Path, out: Path, target: Target, batches: tuple[int, ...]) -> tuple[Export, Traced]:
    """An export, and what it traced; only while it ran was anything recorded."""
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "trace", recorder)
        made = export_bundle(checkpoint, out, shots=SHOTS, target=target, batches=batches)
    support, *queries, template, search = recorder.traced
    searches = {"template": template, "search": search}
    return made, (support, dict(zip(map(query_name, (1, *batches)), queries, strict=True)), searches)


def copy_of(traced: Traced) -> Traced:
    support, *others = traced
    queries, searches = ({name: clone(model) for name, model in each.items()} for each in others)
    return clone(support), queries, searches


@pytest.fixture(scope="session")
def recorded(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Export, Traced]:
    return record(checkpoint, tmp_path_factory.mktemp("float") / "small-fp32", "gpu", (3,))


@pytest.fixture(scope="session")
def float_export(recorded: tuple[Export, Traced]) -> Export:
    """Float32 for a GPU, with a graph for three frames."""
    return recorded[0]


@pytest.fixture(scope="session")
def traced(recorded: tuple[Export, Traced]) -> Traced:
    """The halves of `float_export`; copy before changing."""
    return recorded[1]


@pytest.fixture(scope="session")
def half_export(traced: Traced, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return half(traced, checkpoint, tmp_path_factory, "gpu")


@pytest.fixture(scope="session")
def recorded_cpu(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Export, Traced]:
    return record(checkpoint, tmp_path_factory.mktemp("cpu") / "small-fp32", "cpu", ())


@pytest.fixture(scope="session")
def cpu_export(recorded_cpu: tuple[Export, Traced]) -> Export:
    """Float32 for a CPU."""
    return recorded_cpu[0]


@pytest.fixture(scope="session")
def cpu_half_export(
    recorded_cpu: tuple[Export, Traced], checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Export:
    return half(recorded_cpu[1], checkpoint, tmp_path_factory, "cpu")


def half(
    traced: Traced, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory, target: Target
) -> Export:
    """What was traced, in half precision."""
    models = assemble(*copy_of(traced), half=True, msda="fmmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_module, "build_graphs", lambda *_, **__: models)
        out = tmp_path_factory.mktemp("half") / "small-fp16"
        return export_bundle(checkpoint, out, shots=SHOTS, precision="fp16", target=target)
