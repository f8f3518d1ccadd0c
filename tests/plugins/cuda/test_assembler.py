# SPDX-License-Identifier: Apache-2.0
"""Claims about the machine code, checked against the assembler's output of the library that is installed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.plugins.cuda.assembler import LIMITS, Kernel, find_cuobjdump, read_kernels

# Types of value and locations, where the level sizes come from, and their number.
GROUPED = {
    (types, levels, count)
    for types in (("float", "float"), ("half", "float"), ("half", "half"), ("bfloat16", "float"))
    for levels in ("known", "memory")
    for count in (3, 4)
}


@pytest.fixture(scope="session")
def kernels(plugin_library: Path) -> list[Kernel]:
    if find_cuobjdump() is None:
        pytest.skip("needs cuobjdump: of a CUDA toolkit, or of the triton package")
    return read_kernels(plugin_library)


def grouped(kernels: list[Kernel]) -> list[Kernel]:
    return [kernel for kernel in kernels if kernel.name == "grouped_kernel"]


def test_every_gpu_has_every_kernel(kernels: list[Kernel]) -> None:
    for arch in LIMITS:
        mine = [kernel for kernel in kernels if kernel.arch == arch]
        found = {(k.arguments[:2], k.arguments[2], int(k.arguments[3])) for k in grouped(mine)}
        assert found == GROUPED, f"sm_{arch}"
        others = Counter(kernel.name for kernel in mine if kernel.name != "grouped_kernel")
        assert others == {"generic_kernel": 8, "crop_kernel": 1}, f"sm_{arch}"


def test_nothing_spills(kernels: list[Kernel]) -> None:
    for kernel in kernels:
        assert kernel.stack_bytes == 0, kernel
        assert kernel.count("LDL", "STL") == 0, kernel


def test_values_come_in_16_byte_loads_all_in_flight_at_once(kernels: list[Kernel]) -> None:
    for kernel in grouped(kernels):
        levels = int(kernel.arguments[3])
        assert kernel.wide_loads == 4 * levels
        assert kernel.loads_in_flight == 4 * levels, f"sm_{kernel.arch} {kernel.arguments}"
        # Besides: a location and a weight a level; height, width and start too where they lie in memory.
        others = 2 * levels + (3 * levels if kernel.arguments[2] == "memory" else 0)
        assert kernel.count("LDG") == 4 * levels + others
        assert kernel.count("STG") == 1


def test_generic_kernel_reads_wide_too(kernels: list[Kernel]) -> None:
    for kernel in kernels:
        if kernel.name == "generic_kernel" and kernel.arguments[2] != "1":
            assert kernel.wide_loads >= 4, kernel.arguments
            assert kernel.loads_in_flight >= 4, f"sm_{kernel.arch} {kernel.arguments}"


def test_enough_warps_are_resident(kernels: list[Kernel]) -> None:
    # Little's law: 64 bytes a cycle from L2, 300 cycles away, need 19 KB in flight: 4 warps of 12 loads.
    for kernel in grouped(kernels):
        assert kernel.resident_warps >= 16, (
            f"sm_{kernel.arch} {kernel.arguments}: {kernel.registers} registers"
        )


def test_half_is_converted_in_pairs_and_added_in_float(kernels: list[Kernel]) -> None:
    for kernel in grouped(kernels):
        if kernel.arguments[0] == "half":
            samples = 4 * int(kernel.arguments[3])
            assert kernel.count("FFMA") >= 8 * samples  # one a channel: sums stay in float
            assert kernel.count("PRMT") < samples  # no taking apart of 16-bit elements
