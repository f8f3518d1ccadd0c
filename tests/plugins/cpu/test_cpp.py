# SPDX-License-Identifier: Apache-2.0
"""The C++ tests under the sanitizers, and again with every classic mistake built in: those must turn red."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugins.cpu.cpp_build import COMPILER, PLUGINS, build, run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler (c++)")]

# -O0: quick to compile; ctest runs them at -O1.
SANITIZERS = ("-O0", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
HEADER, LOOP, SCRATCH = "include/fmmp/ms_deform_attn.h", "src/cpu/sampling.h", "src/cpu/scratch.h"
BOTH = ("formula_equals_reference", "loop_float")


def test_every_loop_passes_under_the_sanitizers(tmp_path: Path) -> None:
    result = run(build(tmp_path, SANITIZERS, x86_loops=True))
    assert result.returncode == 0, result.stdout + result.stderr
    assert ", 0 failed" in result.stdout


@dataclass(frozen=True)
class Mutant:
    """Replacements of text, each found exactly once, and the tests that must notice."""

    file: str
    changes: dict[str, str]
    noticed_by: tuple[str, ...] = BOTH


TEST_FILES = {"formula": "test_formula.cpp", "taps": "test_formula.cpp", "loop": "test_cpu_loop.cpp"}
FORMULA_ALONE, LOOP_ALONE = ("formula_equals_reference",), ("loop_float",)
MUTANTS = {
    "x and y swapped": Mutant(
        HEADER,
        {
            "float const cell_x = location_x": "float const cell_x = location_y",
            "float const cell_y = location_y": "float const cell_y = location_x",
        },
    ),
    "half-cell shift dropped": Mutant(HEADER, {"* float(width) - 0.5f": "* float(width)"}, FORMULA_ALONE),
    "clamped at the border instead of zero": Mutant(
        HEADER,
        {
            "left >= 0 ? 1.f - right_share : 0.f": "1.f - right_share",
            "left < width - 1 ? right_share : 0.f": "right_share",
        },
        FORMULA_ALONE,
    ),
    "level starts one row early, formula": Mutant(
        HEADER,
        {
            "(tensors.level_start_index[l]) +": "(tensors.level_start_index[l] - "
            "(l ? tensors.spatial_shapes[2 * l - 1] : 0)) +"
        },
        FORMULA_ALONE,
    ),
    "level starts one row early, loop": Mutant(
        SCRATCH,
        {"level_start_index[l])": "level_start_index[l] - (l ? spatial_shapes[2 * l - 1] : 0))"},
        LOOP_ALONE,
    ),
    "wrong head": Mutant(HEADER, {": m * head_dim": ": (m + 1) % num_heads * head_dim"}),
    "wrong batch item": Mutant(HEADER, {"b * num_cells *": "(batch - 1 - b) * num_cells *"}, LOOP_ALONE),
    "one head for a whole chunk": Mutant(
        LOOP, {"(first + row) % d.num_heads": "first % d.num_heads"}, LOOP_ALONE
    ),
    "cells of weight zero are read": Mutant(
        LOOP, {"used += s.tap_weight[k][i] != 0.f": "used += 1"}, ("loop_reads_no_cell_of_weight_zero",)
    ),
    "what lies outside counts": Mutant(
        HEADER,
        {
            "if (taps.weight[k] != 0.f)": "if (true)",
            "weight * taps.weight[k]": "weight * (taps.weight[k] != 0.f ? taps.weight[k] : 0.25f)",
        },
        FORMULA_ALONE,
    ),
    "NaN is a place": Mutant(
        HEADER,
        {"(cell_x > -1.f) & (cell_x < float(width)) ?": "!(cell_x <= -1.f) & !(cell_x >= float(width)) ?"},
        ("taps_stay_in_the_map",),
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_a_broken_operator_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    sources = tmp_path / "trt_plugins"
    for part in ("include", "src"):
        shutil.copytree(PLUGINS / part, sources / part)
    text = (sources / mutant.file).read_text()
    for before, after in mutant.changes.items():
        assert text.count(before) == 1, f"{mutant.file} holds {text.count(before)} times: {before}"
        text = text.replace(before, after)
    (sources / mutant.file).write_text(text)

    files = {"main.cpp", *(TEST_FILES[name.split("_")[0]] for name in mutant.noticed_by)}
    program = build(tmp_path, ("-O0",), tests=tuple(files), sources=sources, x86_loops=False)
    for name in mutant.noticed_by:
        result = run(program, name)
        assert result.returncode == 1, result.stdout + result.stderr  # an expectation failed, no crash
        assert f"FAILED {name}" in result.stdout
