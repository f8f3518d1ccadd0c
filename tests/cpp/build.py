# SPDX-License-Identifier: Apache-2.0
"""Builds the C++ runtime as its users do, with CMake, and knows what a machine lacks for that."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "runtime" / "cpp"


def cmake(*arguments: str | Path) -> str:
    """Run CMake; its words if it fails, its output otherwise."""
    result = subprocess.run(
        ["cmake", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def build(folder: Path) -> Path:
    """Configure and compile into `folder`; skips where something is missing."""
    if shutil.which("cmake") is None:
        pytest.skip("needs CMake 3.20 or later (cmake)")
    if shutil.which("c++") is None:
        pytest.skip("needs a C++ compiler (c++)")
    quick = "-DCMAKE_CXX_FLAGS_RELEASE=-O1"  # a quarter less to wait for than at -O3
    options = ["-DFMMP_BUILD_TESTS=ON", "-DFMMP_WARNINGS_AS_ERRORS=ON", quick]
    json_package = importlib.util.find_spec("nlohmann_json")  # of this Python, wherever its venv lies
    if json_package and json_package.origin:
        options.append(f"-DNLOHMANN_JSON_INCLUDE_DIR={Path(json_package.origin).parent / 'include'}")
    generator = ("-G", "Ninja") if shutil.which("ninja") else ()
    said = cmake("-S", SOURCE, "-B", folder, *generator, *options)
    if "libfmmp_runtime is left out" in said:
        pytest.skip(said[said.index("libfmmp_runtime is left out") :].splitlines()[0])
    cmake("--build", folder, "--parallel", "2")
    return folder


def build_cache(folder: Path) -> dict[str, str]:
    """What CMake remembers of a build."""
    lines = (folder / "CMakeCache.txt").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith(("#", "//")))
    return {name.split(":")[0]: value for name, value in pairs}


def onnxruntime_library() -> Path:
    """The shared library in the wheel that Python uses, so that both run the same; skips without one."""
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    found = sorted((Path(spec.origin).parent / "capi").glob("libonnxruntime.so.*"))
    if not found:
        pytest.skip("this onnxruntime wheel has no libonnxruntime.so in it")
    return found[0]


def environment() -> dict[str, str]:
    """Variables with which a program finds ONNX Runtime and the operators."""
    from fmmp_runtime.operators import library

    try:
        folder = library("onnxruntime").parent
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return {
        **os.environ,
        "FMMP_ONNXRUNTIME_LIBRARY": str(onnxruntime_library()),
        "FMMP_LIBRARY_DIR": str(folder),
    }


class Probe:
    """A program that answers questions about the insides of the runtime, under the sanitizers."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def ask(self, what: str, **question: Any) -> Any:  # noqa: ANN401  # JSON
        """The answer; what the runtime throws becomes a ValueError."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps({"ask": what, **question}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, process.stderr.read()  # a sanitizer ended it
        answer = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["answer"]

    def close(self) -> None:
        """End it; leaks turn this red."""
        _, errors = self._process.communicate()
        assert self._process.returncode == 0, errors
