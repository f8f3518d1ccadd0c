# SPDX-License-Identifier: Apache-2.0
"""The kernel's own source, every block and thread of it, run on the CPU under the sanitizers.

Outputs start as NaN, and guard zones that may be neither read nor written lie around every buffer.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.golden import load_npz
from tests.plugins.cuda.cases import SHAPES, TYPES, hostile, judge, known_levels_fit
from tests.plugins.cuda.driver import Case, build_for_cpu, require_stand_in, run
from tests.plugins.cuda.reference import NETWORK_LEVELS, Array, Inputs, draw

INVALID_VALUE, MISALIGNED = 1, 716  # cudaError_t


@pytest.mark.parametrize("types", TYPES, ids="-".join)
def test_matches_float64(types: tuple[str, str], cpu_program: Path, tmp_path: Path) -> None:
    cases = []
    for shape in SHAPES.values():
        inputs = shape.with_types(*types)
        cases += [Case(inputs=inputs), Case(inputs=inputs, wants_coverage=True)]
        if known_levels_fit(inputs):
            cases.append(Case(inputs=inputs, levels_known=True))
    for case, result in zip(cases, run(cpu_program, cases, tmp_path), strict=True):
        judge(case, result)


@pytest.mark.parametrize("types", TYPES, ids="-".join)
def test_a_hostile_sample_counts_nothing(types: tuple[str, str], cpu_program: Path, tmp_path: Path) -> None:
    inputs = hostile(*types)
    cases = [Case(inputs=inputs, levels_known=known) for known in (False, True)]
    cases.append(Case(inputs=inputs, wants_coverage=True))  # the generic kernel
    for case, result in zip(cases, run(cpu_program, cases, tmp_path), strict=True):
        judge(case, result)
        assert (result.output[0, 2] == 0).all()


def golden(number: int) -> tuple[Inputs, Array]:
    """A call of the released implementation's operator, and its output in float64."""
    arrays = load_npz("msda")
    shapes = arrays[f"{number}_shapes"].astype(np.int32)
    cells = shapes.astype(np.int64).prod(1)
    inputs = Inputs(
        value=arrays[f"{number}_value"].astype(np.float64),
        spatial_shapes=shapes,
        level_start_index=(cells.cumsum() - cells).astype(np.int32),
        locations=arrays[f"{number}_locations"].astype(np.float64),
        weights=arrays[f"{number}_weights"].astype(np.float64),
    )
    return inputs, arrays[f"{number}_output_fp64"]


@pytest.mark.parametrize("number", range(5))
def test_matches_golden(number: int, cpu_program: Path, tmp_path: Path) -> None:
    inputs, expected = golden(number)
    (result,) = run(cpu_program, [Case(inputs=inputs)], tmp_path)
    np.testing.assert_allclose(result.output.reshape(expected.shape), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("empty", ["batch", "queries"])
def test_nothing_to_do_is_no_launch(empty: str, cpu_program: Path, tmp_path: Path) -> None:
    full = draw(batch=2, queries=3)
    cut = (slice(0, 0),) if empty == "batch" else (slice(None), slice(0, 0))
    inputs = replace(full, locations=full.locations[cut], weights=full.weights[cut])
    if empty == "batch":
        inputs = replace(inputs, value=full.value[:0])
    (result,) = run(cpu_program, [Case(inputs=inputs)], tmp_path)
    assert result.status == 0


# spatial_shapes and level_start_index that do not fit the 1344 cells.
BAD_LEVELS = {
    "starts behind the end": (NETWORK_LEVELS, (0, 1024, 1344)),
    "starts before the map": (NETWORK_LEVELS, (-1, 1024, 1280)),
    "ends one cell late": (NETWORK_LEVELS, (0, 1024, 1281)),
    "no height": (((32, 32), (0, 16), (8, 8)), (0, 1024, 1280)),
    "negative width": (((32, 32), (16, -16), (8, 8)), (0, 1024, 1280)),
    "more cells than an int32 counts": (((32, 32), (16, 16), (65536, 65537)), (0, 1024, 1280)),
}


@pytest.mark.parametrize(("shapes", "starts"), BAD_LEVELS.values(), ids=BAD_LEVELS)
@pytest.mark.parametrize("head_dim", [32, 24])  # the grouped and the generic kernel
def test_levels_that_do_not_fit_give_nan_not_a_read(
    shapes: tuple[tuple[int, int], ...],
    starts: tuple[int, ...],
    head_dim: int,
    cpu_program: Path,
    tmp_path: Path,
) -> None:
    inputs = replace(
        draw(head_dim=head_dim, queries=3),
        spatial_shapes=np.array(shapes, np.int32),
        level_start_index=np.array(starts, np.int32),
    )
    in_memory, by_value = run(
        cpu_program,
        [Case(inputs=inputs, wants_coverage=head_dim == 24), Case(inputs=inputs, levels_known=True)],
        tmp_path,
    )
    assert in_memory.status == 0
    assert np.isnan(in_memory.output).all()
    assert np.isnan(in_memory.coverage).all()
    assert by_value.status == INVALID_VALUE


def test_no_cells_at_all_are_not_read(cpu_program: Path, tmp_path: Path) -> None:
    inputs = draw(queries=2)
    (result,) = run(cpu_program, [Case(inputs=replace(inputs, value=inputs.value[:, :0]))], tmp_path)
    assert np.isnan(result.output).all()


def test_an_odd_address_takes_the_slow_path_or_is_refused(cpu_program: Path, tmp_path: Path) -> None:
    inputs = draw(queries=3).with_types("float16", "float32")
    aligned, by_element, by_byte = run(
        cpu_program, [Case(inputs=inputs, misalignment=bytes_) for bytes_ in (16, 2, 1)], tmp_path
    )
    judge(Case(inputs=inputs), aligned)
    judge(Case(inputs=inputs), by_element)
    assert by_byte.status == MISALIGNED


def test_half_locations_need_a_half_value(cpu_program: Path, tmp_path: Path) -> None:
    cases = [Case(inputs=draw(queries=2).with_types(value, "float16")) for value in ("float32", "bfloat16")]
    assert [result.status for result in run(cpu_program, cases, tmp_path)] == [INVALID_VALUE] * 2


def test_value_heads_must_be_the_heads_or_one(cpu_program: Path, tmp_path: Path) -> None:
    (result,) = run(cpu_program, [Case(inputs=draw(queries=2, heads=8, value_heads=4))], tmp_path)
    assert result.status == INVALID_VALUE


@pytest.mark.slow
def test_far_cells_of_huge_values_are_found(tmp_path: Path) -> None:
    require_stand_in()
    program = build_for_cpu(
        tmp_path, ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"), main="far_cells.cpp"
    )
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
