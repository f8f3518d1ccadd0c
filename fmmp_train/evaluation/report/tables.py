# SPDX-License-Identifier: Apache-2.0
"""Reports as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from fmmp_runtime.pose import CORRECT_WITHIN, THRESHOLDS
from fmmp_train.evaluation.bootstrap import MEASURES, Estimates, Summary
from fmmp_train.evaluation.evaluate import Floats, Report
from fmmp_train.evaluation.protocol import Protocol
from fmmp_train.evaluation.report.paper import Published
from fmmp_train.evaluation.trust import Trust
from fmmp_train.terminal import table_console

if TYPE_CHECKING:
    from fmmp_train.evaluation.finding import Finding  # imports torch

_MEANS = {"pairs": "mean over pairs, then categories", "mp100": "mean over images"}
_MPCK = MEASURES.index("mPCK")
_LEFT = ("category", "method")  # columns of words


def print_tables(
    reports: Mapping[str, Report],
    summaries: Mapping[str, Summary],
    protocol: Protocol,
    paper: Sequence[Published] = (),
) -> None:
    """Print a table of each report, per category and overall, and one that compares; percent."""
    console = table_console()
    for name, report in reports.items():
        summary = summaries[name]
        table = _table(name, "category", "pairs")
        names = dict(report.categories)
        counts = pair_counts(report)
        for number, estimates in summary.categories.items():
            table.add_row(f"{number} {names[number]}", str(counts[number]), *_cells(estimates))
        table.add_section()
        count = str(len(report.pck))
        table.add_row(_MEANS[protocol.name], count, *_cells(summary.overall), style="bold")
        if protocol.name == "mp100" and not report.scored.all():
            scored = str(int(report.scored.sum()))
            values = [_percent(v) for v in (*report.scored_image_mean, report.scored_image_mean.mean())]
            table.add_row("only images with a visible keypoint", scored, *values)
        console.print(table)
    if len(reports) > 1 or paper:
        _compare(console, summaries, protocol, paper)


def print_trust(judged: Mapping[str, Trust]) -> None:
    """Print what the scores are worth, a row for each method that has one."""
    if not judged:
        return
    title = f"score: right is an error below {CORRECT_WITHIN:g} of the longer box side"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("method")
    for column in (
        "right",
        "mean score",
        "calibration error",
        "risk of the surest half",
        "risk area",
        "least",
    ):
        table.add_column(column, justify="right")
    for name, trust in judged.items():
        right = sum(part.weight * part.right for part in trust.bins)
        mean = sum(part.weight * part.score for part in trust.bins)
        half = trust.risk[np.searchsorted(trust.coverage, 0.5)]
        numbers = (right, mean, trust.calibration_error, half, trust.area, trust.least_area)
        table.add_row(name, *(f"{value:.3f}" for value in numbers))
    table_console().print(table)


def print_finding(finding: Finding, names: Mapping[int, str]) -> None:
    """Print what was found where no box was given, a row for each category."""
    title = "no box given: PCK@0.1 in percent, boxes found at an overlap of 0.5"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("category")
    for column in ("box given", "box found", "recall"):
        table.add_column(column, justify="right")
    mean = (finding.given, finding.found, finding.recall)
    rows = {f"{number} {names[number]}": row for number, row in finding.by_category.items()}
    for name, (given, found, recall) in (rows | {"mean over categories": mean}).items():
        table.add_row(name, f"{100 * given:.1f}", f"{100 * found:.1f}", f"{recall:.2f}")
    table_console().print(table)
    errors = f"calibration error {finding.presence_error:.3f}, of the score {finding.score_error:.3f}"
    print(f"presence, here or in another category's photograph: AUROC {finding.auroc:.3f}; {errors}")


def print_splits(of_split: Mapping[str, Mapping[str, Summary]]) -> None:
    """Print mPCK of every method on several splits, and the mean over them."""
    methods = dict.fromkeys(name for summaries in of_split.values() for name in summaries)
    table = Table(title="mPCK by split", title_justify="left", box=SIMPLE)
    table.add_column("method")
    for split in (*of_split, "mean"):
        table.add_column(split, justify="right")
    for name in methods:
        values = [summaries[name].overall.mean[_MPCK] for summaries in of_split.values()]
        table.add_row(name, *(_percent(value) for value in (*values, np.mean(values))))
    table_console().print(table)


def pair_counts(report: Report) -> dict[int, int]:
    """How many pairs each category has."""
    numbers, counts = np.unique(report.ids, return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _compare(
    console: Console, summaries: Mapping[str, Summary], protocol: Protocol, paper: Sequence[Published]
) -> None:
    table = _table(f"overall: {_MEANS[protocol.name]}", "method")
    for name, summary in summaries.items():
        table.add_row(name, *_cells(summary.overall), style="bold")
    if paper:
        table.add_section()
        for row in paper:
            detailed = row.pck or (np.nan,) * len(THRESHOLDS)
            cells = [_percent(value / 100) for value in (*detailed, row.mpck)]
            table.add_row(f"{row.method}, paper", *cells)
        table.caption = "paper: arXiv:2503.21140, Tables 1 and 2; 200 episodes of 15 queries a category"
        table.caption_justify = "left"
    console.print(table)


def _table(title: str, *first: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for name in (*first, *(f"@{at:g}" for at in THRESHOLDS), "mPCK", "95 %", "AUC", "NME"):
        table.add_column(name, justify="left" if name in _LEFT else "right")
    return table


def _cells(estimates: Estimates) -> list[str]:
    mean: Floats = estimates.mean
    interval = f"{_percent(estimates.low[_MPCK])} to {_percent(estimates.high[_MPCK])}"
    return [*(_percent(v) for v in mean[: _MPCK + 1]), interval, *(_percent(v) for v in mean[_MPCK + 1 :])]


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
