# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's own libraries, each in a process of its own: the registries of TensorRT 10 and 11, and RTX."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

HERE = Path(__file__).parent
FOLDER = HERE.parents[2] / "build" / "nvidia"
FETCH = "python trt_plugins/tensorrt/fetch_nvidia.py"


def require(part: str) -> Path:
    """Folder of a part of fetch_nvidia.py; skips where it was not fetched."""
    if not (FOLDER / part).is_dir():
        pytest.skip(f"needs build/nvidia/{part}: run `{FETCH} {part}` (x86-64, NVIDIA's licence)")
    return FOLDER / part


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What TensorRT-RTX made of a graph, or why it did not."""

    version: str
    layers: list[tuple[str, str, str]]  # name, kind, type of the first output
    errors: list[str]  # of parser or builder; empty when there is an engine
    messages: list[str]  # warnings and worse
    plugin_said: str  # the process's stderr
    plan: bytes  # empty when there is none

    @property
    def kinds(self) -> list[str]:
        """Kind of each layer of the parsed network."""
        return [kind for _, kind, _ in self.layers]


def build_engine(
    model: onnx.ModelProto | Path,
    folder: Path,
    *,
    library: Path | None,
    capability: str = "SM86",
    profile: Mapping[str, Sequence[object]] | None = None,
) -> Engine:
    """Parse a graph and build an engine for a GPU that need not be there.

    Args:
        model: a graph, or the file of one (with its external data beside it).
        folder: for temporary files.
        library: the plugin, loaded and put into the engine; None leaves it out.
        capability: a name of `tensorrt_rtx.ComputeCapability`.
        profile: shapes (smallest, usual, largest) of the inputs whose shapes are not static.
    """
    file = folder / "graph.onnx"
    if isinstance(model, Path):
        file = model
    else:
        onnx.save(model, file)
    engine = folder / "engine"
    engine.unlink(missing_ok=True)
    job = {
        "folder": str(require("rtx")),
        "library": str(library) if library else None,
        "model": str(file),
        "capability": capability,
        "profile": profile,
        "engine": str(engine),
    }
    (folder / "job.json").write_text(json.dumps(job))
    report, said = _run("rtx_process.py", folder / "job.json")
    return Engine(
        version=report["version"],
        layers=[tuple(layer) for layer in report["layers"]],
        errors=report["errors"],
        messages=report["messages"],
        plugin_said=said,
        plan=engine.read_bytes() if engine.exists() else b"",
    )


def registry_report(part: str, library: Path) -> tuple[dict[str, Any], str]:
    """Report of registry_process.py, and what the plugin said on stderr."""
    return _run("registry_process.py", require(part), library)


def _run(script: str, *arguments: Path) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, HERE / script, *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{script} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1]), done.stderr
