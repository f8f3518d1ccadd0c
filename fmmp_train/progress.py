# SPDX-License-Identifier: Apache-2.0
"""Progress on the terminal: of a run, with its loss and validations, and of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fmmp_runtime.pose import THRESHOLDS
from fmmp_train.evaluation.evaluate import Report
from fmmp_train.training.run.pace import Speed
from fmmp_train.training.train import OnProgress
from fmmp_train.training.train import Progress as Step

_RECENT = 50  # steps that the shown loss is about the mean of
_LINES = 100  # in a log file, where a bar can't move


@contextmanager
def show_progress(*, is_shown: bool = True) -> Iterator[OnProgress]:
    """Yield the `on_progress` of `train.start`; everything goes to stderr."""
    console = Console(stderr=True, quiet=not is_shown)
    with Progress(*_columns(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("loss", total=None)
        smooth, seen = 0.0, 0

        def on_progress(step: Step) -> None:
            nonlocal smooth, seen
            seen += 1
            smooth += (step.loss - smooth) / min(seen, _RECENT)
            state = ", ".join([f"loss {smooth:.4f}", *([speed_line(step.speed)] if step.speed else [])])
            bar.update(task, total=step.steps, completed=step.step, description=state)
            if step.report is not None:
                console.print(f"step {step.step}: {pck_line(step.report)}")
            elif not console.is_terminal and step.step % max(step.steps // _LINES, 1) == 0:
                console.print(f"step {step.step} of {step.steps}: {state}")

        yield on_progress


@contextmanager
def show_evaluation() -> Iterator[Callable[[str, int, int], None]]:
    """Yield the `on_progress` of `compare.compare`: bars on stderr, where that is a terminal."""
    console = Console(stderr=True)
    with Progress(*_columns(), console=console, disable=not console.is_terminal, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def on_progress(method: str, done: int, total: int) -> None:
            if method not in tasks:
                tasks[method] = bar.add_task(method, total=total)
            bar.update(tasks[method], completed=done)

        yield on_progress


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )


def pck_line(report: Report) -> str:
    """PCK at all thresholds, mean over pairs, then categories, in percent."""
    values = report.category_mean
    parts = [f"PCK@{at:g} {100 * value:.1f}" for at, value in zip(THRESHOLDS, values, strict=True)]
    return ", ".join([*parts, f"mPCK {100 * values.mean():.1f}"])


def speed_line(speed: Speed) -> str:
    """Throughput, and the share of the time in which it waited for data."""
    return f"{speed.pairs_per_second:.3g} pairs/s, {speed.waiting:.1%} waiting for data"
