# SPDX-License-Identifier: Apache-2.0
"""What a timing was taken on."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnxruntime as ort


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine and its software, as far as they decide how long a frame takes."""

    processor: str
    cores: int  # that this process may use
    memory_gb: float
    system: str
    python: str
    fmmp: str
    onnxruntime: str
    load: float  # tasks that wanted to run in the minute before: above the share of one, timings are upset


def this_machine() -> Machine:
    """Describe the machine that this runs on."""
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gb=round(_memory_bytes() / 1e9, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        fmmp=version("fmmp"),
        onnxruntime=ort.__version__,
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
    )


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_bytes() -> int:
    if not hasattr(os, "sysconf"):
        return 0
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
