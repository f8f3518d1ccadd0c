# SPDX-License-Identifier: Apache-2.0
"""Builds driver.cpp, with the CUDA source, for the CPU or for a GPU, and runs cases through it."""

from __future__ import annotations

import platform
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.cuda.reference import Array, Inputs, pack, unpack

HERE = Path(__file__).parent
PLUGINS = HERE.parents[2] / "trt_plugins"
STORAGE = {"float32": 0, "float16": 1, "bfloat16": 2}  # fmmp::CudaStorage
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}

COMPILER = shutil.which("g++") or "g++"
SANITIZERS = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
# Reading 16-bit numbers through uint4 is CUDA's idiom and nvcc's dialect; C++ asks for this flag.
HOST_FLAGS = ("-std=c++17", "-mf16c", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Wno-unknown-pragmas")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One launch; the fields say what differs from the plain one."""

    inputs: Inputs
    levels_known: bool = False  # pass the level sizes by value
    wants_coverage: bool = False
    misalignment: int = 0  # bytes by which value starts late


@dataclass(frozen=True)
class Result:
    """What the launch returned and wrote; NaN where it wrote nothing."""

    status: int  # cudaError_t
    output: Array  # (B, Q, M, D)
    coverage: Array  # (B, Q, M)
    microseconds: float  # 0 unless timed


def require_stand_in() -> None:
    """Skip where the kernels' source can't be run on the CPU."""
    if shutil.which("g++") is None or platform.machine() not in {"x86_64", "AMD64"}:
        pytest.skip("needs g++ on x86-64: the stand-in converts halves with that processor's instructions")


def compile_for_cpu(source: Path, folder: Path, flags: tuple[str, ...], sources: Path = PLUGINS) -> Path:
    """Compile one file against the host stand-in for CUDA; returns the object file."""
    target = folder / f"{source.stem}.o"
    includes = [f"-I{path}" for path in (HERE / "standin", sources / "include", sources / "src")]
    subprocess.run(
        [COMPILER, *HOST_FLAGS, *flags, *includes, "-x", "c++", "-c", source, "-o", target], check=True
    )
    return target


def build_for_cpu(
    folder: Path,
    flags: tuple[str, ...] = SANITIZERS,
    *,
    sources: Path = PLUGINS,
    main: str = "driver.cpp",
    compiled_main: Path | None = None,
) -> Path:
    """Compile `main`, unless it comes compiled, and the CUDA source of `sources`; returns the program."""
    program = folder / "driver"
    start = compiled_main or compile_for_cpu(HERE / main, folder, flags, sources)
    kernels = compile_for_cpu(sources / "src" / "cuda/ms_deform_attn.cu", folder, flags, sources)
    subprocess.run([COMPILER, *flags, start, kernels, "-o", program], check=True)
    return program


def build_for_gpu(folder: Path) -> Path:
    """Compile driver and CUDA source with nvcc for the GPU of this machine; returns the program."""
    program = folder / "driver_gpu"
    includes = [f"-I{PLUGINS / 'include'}", f"-I{PLUGINS / 'src'}"]
    files: list[str | Path] = ["-x", "cu", PLUGINS / "src" / "cuda/ms_deform_attn.cu", HERE / "driver.cpp"]
    subprocess.run(
        ["nvcc", "-std=c++17", "-O3", "-lineinfo", "-arch=native", *includes, *files, "-o", program],
        check=True,
    )
    return program


def run(
    program: Path,
    cases: list[Case],
    folder: Path,
    *,
    options: tuple[str, ...] = (),
    prefix: tuple[str, ...] = (),
) -> list[Result]:
    """Run the cases in one process, started through `prefix` (compute-sanitizer, say).

    Raises:
        RuntimeError: the process ended with an error: its words.
    """
    (folder / "cases").write_bytes(b"".join(_encode(case) for case in cases))
    done = subprocess.run(
        [*prefix, program, *options, folder / "cases", folder / "results"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"{program.name} ended with {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    data = (folder / "results").read_bytes()
    results = []
    for case in cases:
        result, data = _decode(case, data)
        results.append(result)
    return results


def _encode(case: Case) -> bytes:
    i = case.inputs
    batch, cells, value_heads, head_dim = i.value.shape
    _, queries, heads, levels, points, _ = i.locations.shape
    tensors = [
        pack(i.value, i.value_type),
        i.spatial_shapes.astype(np.int32).tobytes(),
        i.level_start_index.astype(np.int32).tobytes(),
        pack(i.locations, i.location_type),
        pack(i.weights, i.location_type),
    ]
    output_bytes = batch * queries * heads * head_dim * BYTES[i.value_type]
    header = (
        *(batch, cells, value_heads, head_dim, queries, heads, levels, points),
        *(STORAGE[i.value_type], STORAGE[i.location_type]),
        *(case.levels_known, case.wants_coverage, case.misalignment),
        *(*(len(tensor) for tensor in tensors), output_bytes),
    )
    return struct.pack("=19q", *header) + b"".join(tensors)


def _decode(case: Case, data: bytes) -> tuple[Result, bytes]:
    batch, queries, heads = case.inputs.locations.shape[:3]
    head_dim = case.inputs.value.shape[3]
    status, microseconds = struct.unpack_from("=qd", data)
    end = 16 + batch * queries * heads * head_dim * BYTES[case.inputs.value_type]
    after = end + batch * queries * heads * BYTES[case.inputs.value_type]
    output = unpack(data[16:end], case.inputs.value_type).reshape(batch, queries, heads, head_dim)
    coverage = unpack(data[end:after], case.inputs.value_type).reshape(batch, queries, heads)
    return Result(status, output, coverage, microseconds), data[after:]
