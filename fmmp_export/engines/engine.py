# SPDX-License-Identifier: Apache-2.0
"""Engines for the graphs of a bundle, added to it one by one."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fmmp_export.engines.builder import Builder, find_builder
from fmmp_export.engines.graph import prepare
from fmmp_export.engines.process import Answer
from fmmp_export.graph.operator import FMMP
from fmmp_runtime.bundle.engines import EngineError, EngineKey, EngineSpec, differences, dtype_name, read
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import GraphSpec
from fmmp_runtime.files import sha256

__all__ = ["EngineError", "Made", "add_engines", "find_builder"]

log = logging.getLogger("fmmp_export")


@dataclass(frozen=True, kw_only=True)
class Made:
    """An engine that is in the bundle now."""

    path: Path
    spec: EngineSpec
    seconds: float | None  # None: it was there already and fits


def add_engines(path: Path, builder: Builder) -> Iterator[Made]:
    """Build the engines of all graphs of a bundle that it has not got, or that do not fit any more.

    An engine is named in model.json as soon as it is whole; one that another replaces goes after that.

    Args:
        path: of the bundle.
        builder: from `find_builder`.

    Yields:
        Each engine, once it is in the bundle.

    Raises:
        OSError: the bundle can't be read or written.
        ValueError: it is broken or ordered for a CPU, or TensorRT builds no engine of a graph; the engines
            before stay.
    """
    bundle = Bundle.open(path)
    if bundle.model.target != "gpu":
        raise EngineError(
            f"{path} is ordered for a {bundle.model.target.upper()}, with an operator that TensorRT has not: "
            "export it again with --target gpu"
        )
    for arch in builder.archs:
        for name in bundle.model.graphs:
            started = time.monotonic()
            graph = prepare(bundle.graph(name), float_products=builder.takes_float_products(arch))
            key = EngineKey(
                graph=name,
                backend=builder.backend,
                version=builder.version,
                arch=arch,
                plugin=builder.plugin if FMMP.op_type in graph.plugins else "",
            )
            if spec := _usable(bundle, key):
                yield Made(path=path / spec.file, spec=spec, seconds=None)
                continue
            log.info("building %s", key.file)
            with _new_file(path / key.file) as file:
                answer = builder.build(bundle.graph(name), graph, arch, file)
                _check_interface(answer, bundle.model.graphs[name])
                spec = EngineSpec(
                    **asdict(key),
                    sha256=sha256(file),
                    built_from=bundle.built_from(name),
                    plugin_inside=bool(key.plugin) and builder.library.read_bytes() in file.read_bytes(),
                )
            bundle = _listed(bundle, spec)
            yield Made(path=path / spec.file, spec=spec, seconds=time.monotonic() - started)


def _usable(bundle: Bundle, key: EngineKey) -> EngineSpec | None:
    """The engine that is there for `key`, if it is fresh and whole."""
    for spec in bundle.model.engines:
        if spec.key == key:
            stale = differences(spec, key, bundle.built_from(key.graph))
            try:
                if not stale:
                    read(bundle.path, spec)
                    return spec
                problem = f"built {', '.join(stale)}"
            except EngineError as error:
                problem = str(error)
            log.info("%s is built again: %s", spec.file, problem)
    return None


def _listed(bundle: Bundle, spec: EngineSpec) -> Bundle:
    """The bundle with a new engine in its model.json, and without those that it replaces."""
    purpose = replace(spec.key, plugin="")
    old = [engine for engine in bundle.model.engines if replace(engine.key, plugin="") == purpose]
    engines = [engine for engine in bundle.model.engines if engine not in old]
    model = replace(bundle.model, engines=sorted([*engines, spec], key=lambda engine: engine.file))
    model.write(bundle.path)
    for file in {engine.file for engine in old} - {spec.file}:
        (bundle.path / file).unlink(missing_ok=True)
    return replace(bundle, model=model)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; it becomes `path` when the block ends well, else it goes."""
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _check_interface(answer: Answer, graph: GraphSpec) -> None:
    """Whether the engine takes and gives what model.json says."""
    found = {name: (dtype_name(dtype), list(shape)) for name, (dtype, shape) in answer.interface.items()}
    expected = {tensor.name: (tensor.dtype, tensor.shape) for tensor in (*graph.inputs, *graph.outputs)}
    for name in {**expected, **found}:
        if expected.get(name) != found.get(name):
            raise EngineError(
                f"the engine of {graph.file} has {name} as {found.get(name)}, expected {expected.get(name)}: "
                "this TensorRT changes the graph, so the engine was not kept"
            )
