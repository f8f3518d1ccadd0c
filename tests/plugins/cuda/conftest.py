# SPDX-License-Identifier: Apache-2.0
"""The kernel's program, built once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmmp_runtime.operators import library
from tests.plugins.cuda.driver import build_for_cpu, require_stand_in
from tests.plugins.cuda.gpu import require_gpu
from tests.plugins.cuda.nvidia import FETCH


@pytest.fixture(scope="session")
def cpu_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CUDA source on the CPU, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    require_stand_in()
    return build_for_cpu(tmp_path_factory.mktemp("kernel_on_cpu"))


@pytest.fixture(scope="session")
def plugin_library() -> Path:
    """The TensorRT plugin of this installation; skips where it was left out of the build."""
    try:
        return library("tensorrt")
    except FileNotFoundError as error:
        pytest.skip(f"{error} (needs nvcc, and TensorRT's headers: run `{FETCH} headers`)")


@pytest.fixture(scope="session")
def gpu() -> None:
    """An NVIDIA GPU; skips where there is none, before anything is computed."""
    require_gpu()
