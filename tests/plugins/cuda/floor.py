# SPDX-License-Identifier: Apache-2.0
"""How fast the grouped kernel can be at best, by calculation: the tables of docs/measured/operator-gpu.md.

`python -m tests.plugins.cuda.floor` reads the installed library, `... LIBRARY` another one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from fmmp_runtime.operators import library
from tests.plugins.cuda.assembler import LIMITS, Kernel, read_kernels

QUERIES, CELLS, HEAD_DIM, LEVELS, POINTS = 70, 1344, 32, 3, 4
L2_BYTES_PER_CLOCK = 64  # a multiprocessor takes from L2
ISSUE_PER_CLOCK = 4  # warp instructions of a multiprocessor


@dataclass(frozen=True)
class Gpu:
    """Public specifications of one product of an architecture."""

    name: str
    arch: int
    multiprocessors: int
    gigahertz: float  # boost
    memory_gb_s: float
    l2_mb: float


GPUS = (
    Gpu("T4", 75, 40, 1.59, 320, 4),
    Gpu("A100 40 GB", 80, 108, 1.41, 1555, 40),
    Gpu("RTX 3060", 86, 28, 1.78, 360, 3),
    Gpu("Jetson AGX Orin", 87, 16, 1.30, 205, 4),
    Gpu("RTX 4070", 89, 46, 2.48, 504, 36),
    Gpu("H100 SXM", 90, 132, 1.83, 3350, 50),
    Gpu("B200", 100, 148, 1.97, 8000, 126),
    Gpu("RTX 5070", 120, 48, 2.51, 672, 48),
)


@dataclass(frozen=True)
class Work:
    """What one call moves and adds."""

    batch: int
    heads: int
    value_bytes: int  # of one number

    @property
    def rows(self) -> int:
        """(b, q, m) of the output."""
        return self.batch * QUERIES * self.heads

    @property
    def map_bytes(self) -> int:
        """The whole value, read once."""
        return self.batch * CELLS * self.heads * HEAD_DIM * self.value_bytes

    @property
    def tap_bytes(self) -> int:
        """What the lanes ask for: four cells a sample."""
        return self.rows * LEVELS * POINTS * 4 * HEAD_DIM * self.value_bytes

    @property
    def other_bytes(self) -> int:
        """Float32 locations and weights, and the output."""
        return self.rows * (LEVELS * POINTS * 12 + HEAD_DIM * self.value_bytes)

    @property
    def flops(self) -> int:
        """Multiply and add, a channel and tap."""
        return self.rows * LEVELS * POINTS * 4 * HEAD_DIM * 2

    @property
    def warps(self) -> int:
        """Of the grouped kernel: a lane holds 16 bytes of channels for one of four points."""
        return self.rows * POINTS * HEAD_DIM * self.value_bytes // 16 // 32


def microseconds(work: Work, gpu: Gpu, kernel: Kernel) -> dict[str, float]:
    """The least time of each resource that the kernel needs."""
    clocks_per_us = gpu.gigahertz * 1e3
    in_l2 = work.map_bytes / 1e6 <= gpu.l2_mb  # the projection has just written it
    memory_bytes = work.other_bytes + (0 if in_l2 else work.map_bytes)
    return {
        "memory": memory_bytes / (gpu.memory_gb_s * 1e3),
        "L2": (work.tap_bytes + work.other_bytes)
        / (gpu.multiprocessors * L2_BYTES_PER_CLOCK)
        / clocks_per_us,
        "issue": work.warps
        * len(kernel.instructions)
        / (gpu.multiprocessors * ISSUE_PER_CLOCK)
        / clocks_per_us,
    }


def main() -> None:
    """Print both tables."""
    kernels = read_kernels(Path(sys.argv[1]) if len(sys.argv) > 1 else library("tensorrt"))
    chosen = {
        (k.arch, k.arguments[0]): k
        for k in kernels
        if k.name == "grouped_kernel" and k.arguments[1:] == ("float", "known", "3")
    }
    print("| GPU code | instructions, half / float | registers | spills | 16-byte loads in flight | warps |")
    print("|---|---|---|---|---|---|")
    for arch, (most, _) in LIMITS.items():
        half, single = chosen[arch, "half"], chosen[arch, "float"]
        print(
            f"| sm_{arch} | {len(half.instructions)} / {len(single.instructions)} | {half.registers} / "
            f"{single.registers} | {half.stack_bytes + single.stack_bytes} | {half.loads_in_flight} / "
            f"{single.loads_in_flight} | {half.resident_warps} / {single.resident_warps} of {most} |"
        )
    shapes = [(1, 8, 2), (1, 64, 2), (8, 64, 2), (1, 64, 4)]
    print("\n| call | map | taps | other | MFLOP |\n|---|---|---|---|---|")
    for shape in shapes:
        work = Work(*shape)
        megabytes = " | ".join(
            f"{size / 1e6:.1f} MB" for size in (work.map_bytes, work.tap_bytes, work.other_bytes)
        )
        print(f"| B={work.batch}, M={work.heads}, {_type(work)} | {megabytes} | {work.flops / 1e6:.0f} |")
    print("\n| GPU | " + " | ".join(f"B={b}, M={m}, {_type(Work(b, m, v))}" for b, m, v in shapes) + " |")
    print("|---" * (len(shapes) + 1) + "|")
    for gpu in GPUS:
        cells = []
        for shape in shapes:
            work = Work(*shape)
            times = microseconds(work, gpu, chosen[gpu.arch, _type(work)])
            bound = max(times, key=lambda name: times[name])
            cells.append(f"{times[bound]:.1f} us ({bound})")
        print(f"| {gpu.name} (sm_{gpu.arch}) | " + " | ".join(cells) + " |")


def _type(work: Work) -> str:
    return "half" if work.value_bytes == 2 else "float"


if __name__ == "__main__":
    main()
