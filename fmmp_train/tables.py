# SPDX-License-Identifier: Apache-2.0
"""Reports as tables for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from fmmp_runtime.files import write_atomically
from fmmp_runtime.pose import THRESHOLDS
from fmmp_train.compare import Protocol
from fmmp_train.evaluate import Floats, Report

_FILE_WIDTH = 110  # characters a line, where no terminal says
_MEANS = {"pairs": "mean over pairs, then categories", "mp100": "mean over images"}


def print_tables(reports: Mapping[str, Report], protocol: Protocol) -> None:
    """Print a table of each report, per category and overall, and one that compares several; percent."""
    console = Console()
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    for name, report in reports.items():
        table = _table(name, "category", "pairs")
        names = dict(report.categories)
        counts = _counts(report)
        for number, values in report.by_category.items():
            table.add_row(f"{number} {names[number]}", str(counts[number]), *_cells(values))
        table.add_section()
        table.add_row(
            _MEANS[protocol.name], str(len(report.pck)), *_cells(overall(report, protocol)), style="bold"
        )
        if protocol.name == "mp100" and not report.scored.all():
            scored = str(int(report.scored.sum()))
            table.add_row("only images with a visible keypoint", scored, *_cells(report.scored_image_mean))
        console.print(table)
    if len(reports) > 1:
        table = _table(f"overall: {_MEANS[protocol.name]}", "method")
        for name, report in reports.items():
            table.add_row(name, *_cells(overall(report, protocol)))
        console.print(table)


def overall(report: Report, protocol: Protocol) -> Floats:
    """(4,) the mean that the protocol takes."""
    return report.category_mean if protocol.name == "pairs" else report.image_mean


def write_json(path: Path, reports: Mapping[str, Report], protocol: Protocol) -> None:
    """Write all numbers, as shares of 1.

    Raises:
        OSError: the file can't be written.
    """
    content = {
        "protocol": asdict(protocol),
        "thresholds": list(THRESHOLDS),
        "methods": {name: _as_json(report) for name, report in reports.items()},
    }
    write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())


def _as_json(report: Report) -> dict[str, Any]:
    names, counts = dict(report.categories), _counts(report)
    return {
        "category_mean": report.category_mean.tolist(),
        "image_mean": report.image_mean.tolist(),
        "scored_image_mean": report.scored_image_mean.tolist(),
        "pairs": len(report.pck),
        "scored_pairs": int(report.scored.sum()),
        "categories": [
            {"id": number, "name": names[number], "pairs": counts[number], "pck": values.tolist()}
            for number, values in report.by_category.items()
        ],
    }


def _counts(report: Report) -> dict[int, int]:
    numbers = [number for number, _ in report.categories]
    return {number: numbers.count(number) for number in dict.fromkeys(numbers)}


def _table(title: str, *first: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column(first[0])
    for name in (*first[1:], *(f"PCK@{at:g}" for at in THRESHOLDS), "mPCK"):
        table.add_column(name, justify="right")
    return table


def _cells(values: Floats) -> list[str]:
    return [f"{100 * value:.1f}" for value in (*values, values.mean())]
