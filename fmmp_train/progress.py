# SPDX-License-Identifier: Apache-2.0
"""A run's progress on the terminal: a bar with the loss, and a line for each validation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fmmp_runtime.pose import THRESHOLDS
from fmmp_train.evaluate import Report
from fmmp_train.train import Progress as Told
from fmmp_train.train import Tell

_RECENT = 50  # steps that the shown loss is about the mean of
_LINES = 100  # in a log file, where a bar can't move


@contextmanager
def show_progress() -> Iterator[Tell]:
    """Yield what `train.start` tells its steps to; everything goes to stderr."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("loss", total=None)
        smooth, seen = 0.0, 0

        def tell(told: Told) -> None:
            nonlocal smooth, seen
            seen += 1
            smooth += (told.loss - smooth) / min(seen, _RECENT)
            bar.update(task, total=told.steps, completed=told.step, description=f"loss {smooth:.4f}")
            if told.report is not None:
                console.print(f"step {told.step}: {pck_line(told.report)}")
            elif not console.is_terminal and told.step % max(told.steps // _LINES, 1) == 0:
                console.print(f"step {told.step} of {told.steps}: loss {smooth:.4f}")

        yield tell


def pck_line(report: Report) -> str:
    """PCK at all thresholds, mean over pairs, then categories, in percent."""
    values = report.category_mean
    parts = [f"PCK@{at:g} {100 * value:.1f}" for at, value in zip(THRESHOLDS, values, strict=True)]
    return ", ".join([*parts, f"mPCK {100 * values.mean():.1f}"])
