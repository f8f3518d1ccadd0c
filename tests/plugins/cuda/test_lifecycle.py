# SPDX-License-Identifier: Apache-2.0
"""Runs the life-cycle harness, which `ctest` runs too, against the library that is installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.plugins.cuda.gpu import require_tool
from tests.plugins.cuda.nvidia import FETCH, FOLDER

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


def headers() -> Path:
    """Folder of TensorRT's C++ headers."""
    given = os.environ.get("TENSORRT_INCLUDE_DIR")
    fetched = FOLDER / "headers" / "kernel_lens" / "include" / "tensorrt"
    for folder in [Path(given)] if given else [fetched, Path("/usr/include/x86_64-linux-gnu")]:
        if (folder / "NvInferRuntime.h").is_file():
            return folder
    pytest.skip(f"needs TensorRT's headers: run `{FETCH} headers`, or set TENSORRT_INCLUDE_DIR")


def test_plugin_walks_through_its_life(plugin_library: Path, tmp_path: Path) -> None:
    program = tmp_path / "lifecycle"
    source = HERE / "lifecycle" / "lifecycle.cpp"
    compiler = require_tool("nvcc")  # knows where the CUDA headers and runtime are
    subprocess.run([compiler, "-std=c++17", f"-I{headers()}", source, "-ldl", "-o", program], check=True)
    done = subprocess.run([program, plugin_library], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every step as promised" in done.stdout
