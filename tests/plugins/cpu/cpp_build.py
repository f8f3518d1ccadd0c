# SPDX-License-Identifier: Apache-2.0
"""Compiles the C++ tests of the operator without CMake, for pytest to run."""

from __future__ import annotations

import platform
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
PLUGINS = HERE.parents[2] / "trt_plugins"
COMPILER = shutil.which("c++")

AVX2 = ("-mavx2", "-mfma", "-mf16c")
AVX512 = (*AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
X86_LOOPS = {"cpu/avx2.cpp": AVX2, "cpu/avx512.cpp": AVX512}


def build(
    folder: Path,
    flags: tuple[str, ...],
    *,
    tests: tuple[str, ...] = (),
    sources: Path = PLUGINS,
    x86_loops: bool,
) -> Path:
    """Compile the tests against the operator in `sources`; returns the program.

    Args:
        folder: takes the object files and the program.
        flags: for every file.
        tests: names of the test files to take, main.cpp among them; all without any.
        sources: a copy of trt_plugins/.
        x86_loops: with the AVX2 and AVX-512 loops where the processor has such; else the portable one alone.
    """
    assert COMPILER is not None
    names = tests or tuple(file.name for file in HERE.glob("*.cpp"))
    files: dict[Path, tuple[str, ...]] = {HERE / name: () for name in names}
    files |= {sources / "src" / name: () for name in ("cpu/dispatch.cpp", "cpu/portable.cpp")}
    if x86_loops and platform.machine() in {"x86_64", "AMD64"}:
        flags = (*flags, "-DFMMP_X86_LOOPS")
        files |= {sources / "src" / name: own_flags for name, own_flags in X86_LOOPS.items()}

    def compile_one(item: tuple[Path, tuple[str, ...]]) -> Path:
        file, own_flags = item
        target = folder / f"{file.stem}.o"
        command = [COMPILER, "-std=c++17", "-fopenmp-simd", f"-I{sources / 'include'}", *flags, *own_flags]
        subprocess.run([*command, "-c", file, "-o", target], check=True)
        return target

    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(compile_one, files.items()))
    program = folder / "operator_tests"
    subprocess.run([COMPILER, *flags, *objects, "-pthread", "-o", program], check=True)
    return program


def run(program: Path, *names: str) -> subprocess.CompletedProcess[str]:
    """Run the tests whose names contain one of `names`; all of them without any."""
    return subprocess.run([program, *names], capture_output=True, text=True, check=False)
