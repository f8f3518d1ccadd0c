# SPDX-License-Identifier: Apache-2.0
"""Engines of TensorRT and TensorRT-RTX in a bundle: which one fits here, or why none does.

An engine fits the version that built it, the kind of GPU it was built for, and the operator library that it
was built with. Any other is refused, never tried.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = "engines"
TITLES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}  # no process can hold both
HASH_LENGTH = 12  # hexadecimal digits of the operator library's SHA-256 in a file name


_DTYPES = {"FLOAT": "float32", "HALF": "float16"}  # the others are numpy's names, in capitals


class EngineError(ValueError):
    """No engine of the bundle fits, or the one that does is damaged."""


@dataclass(frozen=True, kw_only=True)
class EngineKey:
    """What an engine is for."""

    graph: str  # "pair", "support" or "query"
    backend: str  # "tensorrt" or "tensorrt-rtx"
    version: str  # of TensorRT
    arch: str  # of the GPU: "sm86"
    plugin: str  # SHA-256 of the operator library; empty where the graph needs none

    @property
    def file(self) -> str:
        """Name in the bundle."""
        plugin = self.plugin[:HASH_LENGTH] or "noplugin"
        return f"{FOLDER}/{self.graph}-{self.version}-{self.arch}-{plugin}.engine"


@dataclass(frozen=True, kw_only=True)
class EngineSpec(EngineKey):
    """An engine of a bundle, as its model.json lists it."""

    sha256: str  # of the engine
    built_from: dict[str, str]  # files of the graph and its weights -> their SHA-256 then
    plugin_inside: bool  # the engine carries the operator library: nothing else has to be loaded

    @property
    def key(self) -> EngineKey:
        """What it is for."""
        return EngineKey(
            graph=self.graph,
            backend=self.backend,
            version=self.version,
            arch=self.arch,
            plugin=self.plugin,
        )


def dtype_name(tensorrt_name: str) -> str:
    """Numpy's name of a tensor type that TensorRT calls "FLOAT", "HALF", "INT64", ..."""
    return _DTYPES.get(tensorrt_name, tensorrt_name.lower())


def pick(
    folder: Path, engines: Sequence[EngineSpec], key: EngineKey, built_from: Mapping[str, str]
) -> EngineSpec:
    """Find the engine for `key`.

    Args:
        folder: of the bundle.
        engines: of its model.json.
        key: what is wanted. An engine that needs no operator library goes with any.
        built_from: the graph's files, as the bundle has them now.

    Raises:
        EngineError: says what the nearest engine differs in, and what to do.
    """
    mend = _mend(folder, key)
    wanted = f"{key.graph} on {key.arch} with {TITLES[key.backend]} {key.version}"
    same = [engine for engine in engines if (engine.graph, engine.backend) == (key.graph, key.backend)]
    if not same:
        raise EngineError(f"{folder} has no engine for {wanted}: {mend}")
    engine = min(same, key=lambda candidate: len(differences(candidate, key, built_from)))
    if found := differences(engine, key, built_from):
        raise EngineError(
            f"{folder} has no engine for {wanted}; {engine.file} was built {', '.join(found)}: {mend}"
        )
    return engine


def read(folder: Path, engine: EngineSpec) -> bytes:
    """Content of an engine's file, which is what it was when it was built.

    Raises:
        EngineError: it is missing, or has changed since.
    """
    file = folder / engine.file
    if not file.is_file():
        raise EngineError(f"{file} is missing: {_mend(folder, engine)}")
    content = file.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != engine.sha256:
        raise EngineError(
            f"{file} has changed since it was built (SHA-256 {found[:12]}, expected {engine.sha256[:12]}): "
            + _mend(folder, engine)
        )
    return content


def _mend(folder: Path, key: EngineKey) -> str:
    return f"`fmmp-export --bundle {folder} --backend {key.backend} --arch {key.arch}` builds it"


def differences(engine: EngineSpec, key: EngineKey, built_from: Mapping[str, str]) -> list[str]:
    """Why an engine is not the one that is wanted, each reason to follow "was built"."""
    found = []
    if engine.arch != key.arch:
        found.append(f"for {engine.arch}")
    if engine.version != key.version:
        found.append(f"with {TITLES[engine.backend]} {engine.version}")
    if engine.plugin not in ("", key.plugin):
        found.append(
            f"with another operator library ({engine.plugin[:HASH_LENGTH]}, "
            f"here is {key.plugin[:HASH_LENGTH] or 'none'})"
        )
    if changed := sorted({*engine.built_from.items()} ^ {*built_from.items()}):
        found.append(f"from another {changed[0][0]}")
    return found
