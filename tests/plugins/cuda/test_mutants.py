# SPDX-License-Identifier: Apache-2.0
"""Every classic mistake, made on purpose in a copy of the source, must turn the float64 test red."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugins.cuda.cases import SHAPES, judge, known_levels_fit
from tests.plugins.cuda.driver import (
    HERE,
    PLUGINS,
    Case,
    build_for_cpu,
    compile_for_cpu,
    require_stand_in,
    run,
)

pytestmark = pytest.mark.slow

HEADER, KERNELS = "include/fmmp/ms_deform_attn.h", "src/cuda/kernels.cuh"
FAST_TO_COMPILE = ("-O0",)


@dataclass(frozen=True)
class Mutant:
    """Replacements of text, each found exactly once, and the cases that must notice."""

    file: str
    changes: tuple[tuple[str, str], ...]
    noticed_by: tuple[str, ...] = ("network, 3 levels", "height != width", "5 channels")


MUTANTS = {
    "x and y swapped": Mutant(
        HEADER,
        (
            (
                "Taps bilinear_taps(float location_x, float location_y,",
                "Taps bilinear_taps(float location_y, float location_x,",
            ),
        ),
    ),
    "half-cell shift dropped": Mutant(
        HEADER,
        (
            ("location_x * float(width) - 0.5f", "location_x * float(width)"),
            ("location_y * float(height) - 0.5f", "location_y * float(height)"),
        ),
    ),
    "clamped at the border instead of zero": Mutant(
        HEADER,
        (
            ("left >= 0 ? 1.f - right_share : 0.f", "1.f - right_share"),
            ("left < width - 1 ? right_share : 0.f", "right_share"),
            ("top >= 0 ? 1.f - bottom_share : 0.f", "1.f - bottom_share"),
            ("top < height - 1 ? bottom_share : 0.f", "bottom_share"),
        ),
    ),
    "level starts one row early": Mutant(  # late would also read behind the map
        KERNELS,
        (
            (
                "table.width[l], table.start[l], true",
                "table.width[l], table.start[l] - (l ? table.width[l] : 0), true",
            ),
            ("Level{height, width, start, true}", "Level{height, width, start - (l ? width : 0), true}"),
        ),
    ),
    "wrong head, grouped kernel": Mutant(
        KERNELS,
        (("dims.value_offset(blockIdx.z, m))", "dims.value_offset(blockIdx.z, (m + 1) % dims.num_heads))"),),
        ("network, 3 levels", "network, 4 levels"),
    ),
    "wrong head, generic kernel": Mutant(
        KERNELS,
        (("dims.value_offset(b, m) + channel", "dims.value_offset(b, (m + 1) % dims.num_heads) + channel"),),
        ("5 channels", "64 channels"),
    ),
    "points summed over the wrong lanes": Mutant(
        KERNELS,
        (("handed_over, bit * lanes_between_points", "handed_over, lanes_between_points"),),
        ("network, 3 levels", "packed heads, batch 2"),
    ),
}


@pytest.fixture(scope="module")
def compiled_main(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_stand_in()
    return compile_for_cpu(HERE / "driver.cpp", tmp_path_factory.mktemp("main"), FAST_TO_COMPILE)


def build_mutant(mutant: Mutant, folder: Path, compiled_main: Path) -> Path:
    sources = folder / "trt_plugins"
    for part in ("include", "src"):
        shutil.copytree(PLUGINS / part, sources / part)
    text = (sources / mutant.file).read_text()
    for before, after in mutant.changes:
        assert text.count(before) == 1, f"{mutant.file} holds {text.count(before)} times: {before}"
        text = text.replace(before, after)
    (sources / mutant.file).write_text(text)
    return build_for_cpu(folder, FAST_TO_COMPILE, sources=sources, compiled_main=compiled_main)


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_broken_kernel_is_noticed(mutant: Mutant, compiled_main: Path, tmp_path: Path) -> None:
    program = build_mutant(mutant, tmp_path, compiled_main)
    for name in mutant.noticed_by:
        inputs = SHAPES[name]
        cases = [Case(inputs=inputs, levels_known=known) for known in {False, known_levels_fit(inputs)}]
        for case, result in zip(cases, run(program, cases, tmp_path), strict=True):
            with pytest.raises(AssertionError, match="Not equal to tolerance"):
                judge(case, result)
