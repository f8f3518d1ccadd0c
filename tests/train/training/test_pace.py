# SPDX-License-Identifier: Apache-2.0
"""Throughput and the time spent waiting for data, measured with a clock that only the tests move."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmmp_train.data.examples.dataset import Batch, Example, Mixture
from fmmp_train.progress import show_progress
from fmmp_train.training.inputs import Locations
from fmmp_train.training.run import pace
from fmmp_train.training.run.journal import read_journal
from fmmp_train.training.run.pace import Pace, Speed
from fmmp_train.training.step import Losses, TrainStep
from fmmp_train.training.train import Outcome, Progress, start
from tests.train.recipes import tiny

SOURCE = 3.0  # seconds that an example takes
NETWORK = 2.0  # seconds that a forward pass takes


@pytest.fixture
def slow_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example takes 3 seconds, every forward pass 2, nothing else any time."""
    now = 0.0
    monkeypatch.setattr(pace, "perf_counter", lambda: now)
    draw, forward = Mixture.__getitem__, TrainStep.forward

    def slow_draw(self: Mixture, index: int) -> Example:
        nonlocal now
        now += SOURCE
        return draw(self, index)

    def slow_forward(self: TrainStep, batch: Batch) -> Losses:
        nonlocal now
        now += NETWORK
        return forward(self, batch)

    monkeypatch.setattr(Mixture, "__getitem__", slow_draw)
    monkeypatch.setattr(TrainStep, "forward", slow_forward)


def run(out: Path, **changes: object) -> tuple[Outcome, list[Progress]]:
    told: list[Progress] = []
    return start(tiny(**changes), Locations(), out, device="cpu", on_progress=told.append), told


@pytest.mark.slow
@pytest.mark.usefixtures("slow_source")
def test_a_slow_source_shows(tmp_path: Path) -> None:
    outcome, told = run(tmp_path, steps=12)
    expected = Speed(pairs_per_second=2 / 8, waiting=6 / 8)  # two pairs, three seconds each, and a pass
    assert told[0].speed is None  # the first step warms up
    assert {progress.speed for progress in told[1:]} == {expected}
    assert outcome.speed == expected
    [line] = read_journal(tmp_path, "speed")
    assert line == {"step": 10, "group": "speed", **expected._asdict()}


@pytest.mark.usefixtures("slow_source")
def test_parts_of_a_step_count_as_one(tmp_path: Path) -> None:
    outcome, _ = run(tmp_path, steps=2, accumulate=2)
    assert outcome.speed == Speed(pairs_per_second=2 / 10, waiting=6 / 10)  # two passes


def test_recent_steps_forget_and_all_do_not() -> None:
    speeds = Pace()
    assert speeds.recent is speeds.overall is None
    speeds.add(8, seconds=1000, waited=1000)
    assert speeds.recent is speeds.overall is None
    for _ in range(50):
        speeds.add(8, seconds=4, waited=3)
    assert speeds.recent == speeds.overall == Speed(2, 0.75)
    for _ in range(50):
        speeds.add(8, seconds=2, waited=0)
    assert speeds.recent == Speed(4, 0)
    assert speeds.overall == Speed(800 / 300, 0.5)


def test_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for is_shown in (True, False):
        with show_progress(is_shown=is_shown) as on_progress:
            on_progress(Progress(2, 9, 0.5, Speed(12.345, 0.0678), None))
        error = capsys.readouterr().err
        assert ("loss 0.5000, 12.3 pairs/s, 6.8% waiting for data" in error) == is_shown
