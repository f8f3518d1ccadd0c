# SPDX-License-Identifier: Apache-2.0
"""The kernel on a GPU: the driver and the cases that judge it on the CPU. `pytest -m gpu` runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.cuda.cases import SHAPES, TYPES, hostile, judge, known_levels_fit
from tests.plugins.cuda.driver import Case, build_for_gpu, run
from tests.plugins.cuda.gpu import require_tool
from tests.plugins.cuda.reference import draw

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]


@pytest.fixture(scope="module")
def gpu_program(gpu: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_tool("nvcc")
    return build_for_gpu(tmp_path_factory.mktemp("kernel_on_gpu"))


def cases(types: tuple[str, str]) -> list[Case]:
    """Every shape by every path of the launcher."""
    found = []
    for shape in SHAPES.values():
        inputs = shape.with_types(*types)
        found += [Case(inputs=inputs), Case(inputs=inputs, wants_coverage=True)]
        if known_levels_fit(inputs):
            found.append(Case(inputs=inputs, levels_known=True))
    return [*found, Case(inputs=hostile(*types)), Case(inputs=hostile(*types), levels_known=True)]


@pytest.mark.parametrize("options", [(), ("--graph",)], ids=["launched", "replayed from a CUDA graph"])
@pytest.mark.parametrize("types", TYPES, ids="-".join)
def test_matches_float64(
    types: tuple[str, str], options: tuple[str, ...], gpu_program: Path, tmp_path: Path
) -> None:
    for case, result in zip(
        cases(types), run(gpu_program, cases(types), tmp_path, options=options), strict=True
    ):
        judge(case, result)


def test_levels_that_do_not_fit_give_nan(gpu_program: Path, tmp_path: Path) -> None:
    inputs = replace(draw(queries=3), level_start_index=np.array([0, 1024, 1281], np.int32))
    (result,) = run(gpu_program, [Case(inputs=inputs)], tmp_path)
    assert np.isnan(result.output).all()


@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck"])
@pytest.mark.parametrize("types", TYPES, ids="-".join)
def test_compute_sanitizer_finds_nothing(
    types: tuple[str, str], tool: str, gpu_program: Path, tmp_path: Path
) -> None:
    sanitizer = require_tool("compute-sanitizer")
    run(gpu_program, cases(types), tmp_path, prefix=(sanitizer, "--tool", tool, "--error-exitcode", "9"))


def test_time_of_a_launch(
    gpu_program: Path,
    tmp_path: Path,
    record_property: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Prints microseconds to hold against docs/measured/operator-gpu.md; asserts only that it was timed."""
    calls = {
        f"B={batch}, M={heads}, {types[0]}": Case(
            inputs=draw(batch=batch, queries=70, heads=heads).with_types(*types), levels_known=True
        )
        for types in TYPES[:2]
        for heads in (8, 64)
        for batch in (1, 8)
    }
    results = run(gpu_program, list(calls.values()), tmp_path, options=("--time",))
    with capsys.disabled():
        for name, result in zip(calls, results, strict=True):
            print(f"\n{name}: {result.microseconds:.2f} us a launch", end="")
    assert all(result.microseconds > 0 for result in results)
