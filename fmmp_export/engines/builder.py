# SPDX-License-Identifier: Apache-2.0
"""TensorRT and TensorRT-RTX on this machine: what is there, and an engine from a graph."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fmmp_export.engines.graph import EngineGraph
from fmmp_export.engines.process import Answer, Job
from fmmp_export.graph.operator import FMMP, NVIDIA
from fmmp_runtime import operators
from fmmp_runtime.backends import gpu
from fmmp_runtime.bundle.engines import MODULES, TITLES, EngineError
from fmmp_runtime.files import sha256

SIZES = {"tensorrt": "several GB", "tensorrt-rtx": "233 MB"}
RTX_LIBRARY = "libtensorrt_rtx.so"
ELSEWHERE = {
    "tensorrt": "Without a GPU, --backend tensorrt-rtx builds engines; ONNX Runtime runs the bundle as it is",
    "tensorrt-rtx": "ONNX Runtime runs the bundle as it is",
}


@dataclass(frozen=True, kw_only=True)
class Builder:
    """A TensorRT that was found, and what it is to build for."""

    backend: str  # "tensorrt" or "tensorrt-rtx"
    version: str
    archs: tuple[str, ...]  # "sm86", ...
    library: Path  # the operator's
    plugin: str  # its SHA-256

    def takes_float_products(self, arch: str) -> bool:
        """Whether it multiplies float32 matrices there; TensorRT-RTX 1.7 refuses to on Turing."""
        return (self.backend, arch) != ("tensorrt-rtx", "sm75")

    def build(self, path: Path, graph: EngineGraph, arch: str, engine: Path) -> Answer:
        """Write the engine of a graph.

        Args:
            path: the graph's own file, which its weights lie beside.
            graph: as it goes to the parser.
            arch: one of `archs`.
            engine: file to write.

        Raises:
            EngineError: TensorRT refuses the graph; says why.
        """
        title = f"{TITLES[self.backend]} {self.version}"
        if NVIDIA.op_type in graph.plugins and self.backend == "tensorrt-rtx":
            raise EngineError(f"{title} has no {NVIDIA.op_type}: export with --msda fmmp")
        with tempfile.TemporaryDirectory(prefix="fmmp-engine-") as temporary:
            content = Path(temporary) / "graph.onnx"
            content.write_bytes(graph.content)
            job = Job(
                graph=str(content),
                weights_beside=str(path.resolve()),
                library=str(self.library) if FMMP.op_type in graph.plugins else None,
                nvidia_plugins=NVIDIA.op_type in graph.plugins,
                arch=arch if self.backend == "tensorrt-rtx" else None,
                engine=str(engine.resolve()),
            )
            answer, said = _ask(self.backend, job)
        if answer is None or answer.errors or not engine.is_file():
            why = "; ".join(answer.errors if answer and answer.errors else _errors(said))
            raise EngineError(f"{title} builds no engine of {path.name} for {arch}: {why}")
        return answer


def find_builder(backend: str, archs: Sequence[str]) -> Builder:
    """Look what is here to build engines with.

    Args:
        backend: "tensorrt", for the GPU of this machine, or "tensorrt-rtx", which needs none.
        archs: GPUs to build for; none takes that of this machine.

    Raises:
        EngineError: something is missing: says all that is, and what else can be done.
    """
    missing = []
    module, title = MODULES[backend], TITLES[backend]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:  # a folder without code is no package
        missing.append(
            f"the Python package {module} is not installed: "
            f"pip install 'fmmp[{backend}]' ({SIZES[backend]}, NVIDIA's licence)"
        )
    try:
        library = operators.library("tensorrt")
    except FileNotFoundError as error:
        missing.append(str(error))
    here = None
    if backend == "tensorrt" or not archs:
        try:
            here = gpu.architecture()
        except OSError as error:
            say = "" if backend == "tensorrt" else "; say --arch, such as sm86, to build for another machine"
            missing.append(f"{error}{say}")
    if missing:
        raise EngineError(f"{title} cannot build here: {'; '.join(missing)}. {ELSEWHERE[backend]}")
    answer, said = _ask(backend, None)
    if answer is None:
        raise EngineError(f"{title} is installed but does not start: {'; '.join(_errors(said))}")
    wanted = tuple(dict.fromkeys(archs)) or (str(here),)
    able = answer.archs if backend == "tensorrt-rtx" else [str(here)]
    if unable := [arch for arch in wanted if arch not in able]:
        raise EngineError(
            f"{title} {answer.version} builds for {', '.join(able)} here, not for {', '.join(unable)}: "
            + ("use --backend tensorrt there" if backend == "tensorrt-rtx" else "run this on such a GPU")
        )
    return Builder(
        backend=backend, version=answer.version, archs=wanted, library=library, plugin=sha256(library)
    )


def _ask(backend: str, job: Job | None) -> tuple[Answer | None, str]:
    """Run engine_process.py; its answer, None where it has died, and what it said."""
    with tempfile.TemporaryDirectory(prefix="fmmp-engine-") as temporary:
        folder = Path(temporary)
        question, reply = folder / "job.json", folder / "answer.json"
        question.write_text(json.dumps(asdict(job) if job else {}), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "fmmp_export.engines.process", MODULES[backend], question, reply],
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if not reply.is_file():
            return None, f"{done.stdout}\nits process ended with {done.returncode}"
        return Answer(**json.loads(reply.read_text(encoding="utf-8"))), done.stdout


def _environment(folder: Path) -> dict[str, str]:
    """That of this process and its module search path, with the library name that RTX's wheel lacks.

    With a plugin in the graph, RTX's parser opens the library by its name without a version, or aborts.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    spec = importlib.util.find_spec("tensorrt_rtx_libs")
    for place in (spec and spec.submodule_search_locations) or ():
        for library in sorted(Path(place).glob(f"{RTX_LIBRARY}.*"))[:1]:
            (folder / RTX_LIBRARY).symlink_to(library)
            before = os.environ.get("LD_LIBRARY_PATH")
            environment["LD_LIBRARY_PATH"] = f"{folder}{os.pathsep + before if before else ''}"
    return environment


def _errors(said: str) -> list[str]:
    """The lines in which TensorRT or our plugin complains, else the last ones."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    complaints = [line.partition("[E] ")[2] for line in lines if "[TRT] [E]" in line]
    ours = [line for line in lines if line.startswith("fmmp::")]
    return list(dict.fromkeys(complaints + ours)) or lines[-2:]
