# SPDX-License-Identifier: Apache-2.0
"""What the assembler made of the kernels, read out of the built library; no GPU is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Per multiprocessor: warps, blocks (CUDA C++ Programming Guide, technical specifications per compute
# capability). Each has 65536 registers, handed out to a warp in units of 256.
LIMITS = {75: (32, 16), 80: (64, 32), 86: (48, 16), 87: (48, 16), 89: (48, 24), 90: (64, 32), 100: (64, 32)}
LIMITS[120] = (48, 24)
REGISTERS, REGISTER_UNIT = 65536, 256
THREADS = {"grouped_kernel": 64, "generic_kernel": 128}  # cuda/kernels.cuh


@dataclass(frozen=True)
class Kernel:
    """One instance of a kernel, for one compute capability."""

    arch: int
    name: str  # grouped_kernel, generic_kernel or crop_kernel
    arguments: tuple[str, ...]  # of the template: value type, location type, ...
    registers: int
    stack_bytes: int
    instructions: tuple[str, ...]

    @cached_property
    def operations(self) -> list[str]:
        """Each instruction's name, modifiers included, predicates not."""
        return [instruction.split()[0] for instruction in map(_without_predicate, self.instructions)]

    def count(self, *names: str) -> int:
        """Instructions whose name begins with one of these."""
        return sum(operation.startswith(names) for operation in self.operations)

    @property
    def wide_loads(self) -> int:
        """Loads of 16 bytes from global memory."""
        return sum(_is_wide_load(operation) for operation in self.operations)

    @property
    def loads_in_flight(self) -> int:
        """16-byte loads that a lane has issued before it needs the first of them."""
        loaded: set[int] = set()
        issued = 0
        for instruction in map(_without_predicate, self.instructions):
            operation, _, operands = instruction.partition(" ")
            target, _, sources = operands.partition(",")
            if _is_wide_load(operation):
                first = int(re.findall(r"\bR(\d+)", target)[0])
                loaded |= set(range(first, first + 4))
                issued += 1
            elif loaded & {int(number) for number in re.findall(r"\bR(\d+)", sources)}:
                break
        return issued

    @property
    def resident_warps(self) -> int:
        """Warps that one multiprocessor holds at a time: occupancy, calculated."""
        max_warps, max_blocks = LIMITS[self.arch]
        warps_per_block = THREADS[self.name] // 32
        unit = -(-self.registers * 32 // REGISTER_UNIT) * REGISTER_UNIT
        blocks = min(REGISTERS // unit // warps_per_block, max_warps // warps_per_block, max_blocks)
        return blocks * warps_per_block


def _without_predicate(instruction: str) -> str:
    return re.sub(r"^@!?U?P\w+\s+", "", instruction)


def _is_wide_load(operation: str) -> bool:
    return operation.startswith("LDG") and ".128" in operation


def find_cuobjdump() -> str | None:
    """NVIDIA's disassembler, of a CUDA toolkit or of the triton package that torch brings."""
    packaged = Path(sysconfig.get_path("platlib")) / "triton" / "backends" / "nvidia" / "bin" / "cuobjdump"
    return shutil.which("cuobjdump") or (str(packaged) if packaged.exists() else None)


def read_kernels(library: Path) -> list[Kernel]:
    """Every kernel instance for every compute capability in a library."""
    usage = _usage(library)
    kernels = []
    for section in _dump(library, "--dump-sass").split("\narch = sm_")[1:]:
        arch = int(re.match(r"\d+", section)[0])  # type: ignore[index]
        for function in section.split("Function : ")[1:]:
            symbol = function.split("\n", 1)[0].strip()
            lines = re.findall(r"^\s*/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", function, re.MULTILINE)
            while lines and re.match(r"NOP|BRA", lines[-1]):  # padding behind the end
                lines.pop()
            name, arguments = _parse_symbol(symbol)
            registers, stack = usage[arch, symbol]
            kernels.append(Kernel(arch, name, arguments, registers, stack, tuple(lines)))
    return kernels


def _usage(library: Path) -> dict[tuple[int, str], tuple[int, int]]:
    """Registers and stack bytes by (arch, symbol)."""
    usage = {}
    arch = 0
    for line in _dump(library, "--dump-resource-usage").splitlines():
        if match := re.match(r"arch = sm_(\d+)", line):
            arch = int(match[1])
        elif match := re.match(r"\s*Function (\S+):", line):
            symbol = match[1]
        elif match := re.match(r"\s*REG:(\d+) STACK:(\d+)", line):
            usage[arch, symbol] = (int(match[1]), int(match[2]))
    return usage


def _dump(library: Path, option: str) -> str:
    tool = find_cuobjdump()
    assert tool is not None, "ask find_cuobjdump first"
    return subprocess.run([tool, option, library], capture_output=True, text=True, check=True).stdout


TYPES = {"f": "float", "6__half": "half", "13__nv_bfloat16": "bfloat16"}
TYPES |= {"NS_11KnownLevelsE": "known", "NS_14LevelsInMemoryE": "memory"}


def _parse_symbol(symbol: str) -> tuple[str, tuple[str, ...]]:
    """Kernel and template arguments of a mangled name (Itanium C++ ABI), as far as ours go."""
    assert symbol.startswith("_ZN4fmmp"), f"no kernel of ours: {symbol}"
    rest = symbol.removeprefix("_ZN")
    while length := re.match(r"\d+", rest):  # namespaces, then the function: each with its length before it
        end = length.end() + int(length[0])
        name, rest = rest[length.end() : end], rest[end:]
    template = re.match(r"I(.*?)EEv", rest)
    return name, _template_arguments(template[1]) if template else ()


def _template_arguments(mangled: str) -> tuple[str, ...]:
    arguments: list[str] = []
    while mangled:
        token = re.match(r"S\d?_|Li\d+E?|NS_\w+?E|\d+__(?:half|nv_bfloat16)|f", mangled)
        assert token, mangled
        mangled = mangled[token.end() :]
        text = token[0]
        number = re.match(r"Li(\d+)", text)
        arguments.append(number[1] if number else arguments[0] if text[0] == "S" else TYPES[text])
    return tuple(arguments)
