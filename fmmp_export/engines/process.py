# SPDX-License-Identifier: Apache-2.0
"""Asks TensorRT or TensorRT-RTX, in a process of its own that `fmmp_export.engines.builder` starts.

`python -m fmmp_export.engines.process MODULE JOB ANSWER`, two JSON files: an empty job asks which TensorRT
this is, any other for an engine. The products share all of their API but what `_typed_network` and `_aim`
use. No process can hold both, and an abort in there must not end the exporter.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorrt as trt  # the API of both; tests hold this file against its published types
else:
    trt: Any = None  # set by `main`


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to build; paths are text, since this goes through JSON."""

    graph: str  # file of the ONNX graph, as TensorRT shall see it
    weights_beside: str  # file in whose folder the external data lie
    library: str | None  # plugin library, which goes into the engine
    nvidia_plugins: bool  # whether NVIDIA's own plugins are needed
    arch: str | None  # "sm86": for a GPU that need not be here; None: for the GPU of this machine
    engine: str  # file to write


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What TensorRT said of itself and of the job."""

    version: str
    archs: list[str]  # that engines can be built for without a GPU of theirs
    errors: list[str] = field(default_factory=list)  # of the parser; the builder's go to stderr
    interface: dict[str, tuple[str, list[int]]] = field(default_factory=dict)  # input or output: type, shape
    layers: int = 0


def probe() -> Answer:
    """Which TensorRT this is."""
    capabilities = getattr(trt, "ComputeCapability", None)
    names = sorted(capabilities.__members__) if capabilities else []
    archs = [name.lower() for name in names if name.startswith("SM")]
    return Answer(version=trt.__version__, archs=sorted(archs, key=lambda arch: int(arch[2:])))


def build(job: Job) -> Answer:
    """Parse the graph, build, write the engine; without an engine file there is none."""
    known = probe()
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    if job.nvidia_plugins:
        trt.init_libnvinfer_plugins(logger, "")
    if job.library:
        builder.get_plugin_registry().load_library(job.library)
    network = _typed_network(builder)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(Path(job.graph).read_bytes(), job.weights_beside):
        errors = [_words(parser.get_error(index)) for index in range(parser.num_errors)]
        return Answer(version=known.version, archs=known.archs, errors=errors)
    config = builder.create_builder_config()
    # Float32 is there for the points: 10 bits of mantissa would move them as half precision does.
    config.clear_flag(trt.BuilderFlag.TF32)
    if job.library:
        config.plugins_to_serialize = [job.library]
    if job.arch:
        _aim(trt, config, job.arch)
    plan = builder.build_serialized_network(network, config)
    if plan is not None:
        Path(job.engine).write_bytes(memoryview(plan))
    return Answer(
        version=known.version,
        archs=known.archs,
        interface=_interface(network),
        layers=network.num_layers,
    )


def _typed_network(builder: trt.Builder) -> trt.INetworkDefinition:
    """A network in which every tensor keeps the type that the graph gives it; TensorRT 11 knows no other."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return builder.create_network(0 if flag is None else 1 << int(flag))


def _aim(rtx: Any, config: Any, arch: str) -> None:  # noqa: ANN401  # only TensorRT-RTX has this
    """Build for a GPU that need not be here."""
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(rtx.ComputeCapability, arch.upper()), 0)


def _words(error: trt.ParserError) -> str:
    node = f"node {error.node_name()} ({error.node_operator()}): " if error.node_name() else ""
    return f"{node}{error.desc()}"


def _interface(network: trt.INetworkDefinition) -> dict[str, tuple[str, list[int]]]:
    tensors = [network.get_input(index) for index in range(network.num_inputs)]
    tensors += [network.get_output(index) for index in range(network.num_outputs)]
    shapes = [[tensor.shape[axis] for axis in range(len(tensor.shape))] for tensor in tensors]
    return {tensor.name: (tensor.dtype.name, shape) for tensor, shape in zip(tensors, shapes, strict=True)}


def main() -> None:
    """Do what the command line says."""
    global trt
    module, job, answer = sys.argv[1:]
    trt = importlib.import_module(module)
    content = json.loads(Path(job).read_text(encoding="utf-8"))
    made = build(Job(**content)) if content else probe()
    Path(answer).write_text(json.dumps(asdict(made)), encoding="utf-8")


if __name__ == "__main__":
    main()
