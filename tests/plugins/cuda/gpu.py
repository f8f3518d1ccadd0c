# SPDX-License-Identifier: Apache-2.0
"""Whether this machine has what a test with a GPU needs; each function skips with the reason where not."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil

import pytest

from tests.plugins.cuda.nvidia import FOLDER


def require_gpu() -> None:
    """Ask the driver, without a CUDA runtime and without torch."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        pytest.skip("needs an NVIDIA GPU: there is no driver (libcuda.so.1)")
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        pytest.skip("needs an NVIDIA GPU: the driver finds none")


def require_tool(name: str) -> str:
    """Path of a program of the CUDA toolkit."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"needs {name} of the CUDA toolkit on PATH")
    return path


def require_tensorrt(kind: str) -> tuple[str, str | None]:
    """Module and import folder (None: installed) of "tensorrt" or "tensorrt_rtx"."""
    if importlib.util.find_spec(kind) is not None:
        return kind, None
    if kind == "tensorrt_rtx" and (FOLDER / "rtx").is_dir():
        return kind, str(FOLDER / "rtx")
    pytest.skip(f"needs the Python package of {kind}: pip install '.[{kind.replace('_', '-')}]'")
