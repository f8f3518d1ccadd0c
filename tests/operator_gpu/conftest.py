# SPDX-License-Identifier: Apache-2.0
"""The kernel's program, built once for all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.operator_gpu.driver import build_for_cpu


@pytest.fixture(scope="session")
def cpu_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CUDA source on the CPU, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    if shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler (g++) to run the kernel's source on the CPU")
    return build_for_cpu(tmp_path_factory.mktemp("kernel_on_cpu"))
