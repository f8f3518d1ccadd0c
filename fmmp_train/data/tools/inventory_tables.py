# SPDX-License-Identifier: Apache-2.0
"""What a data folder holds, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Column, Table

from fmmp_train.data.tools.check import FileReport
from fmmp_train.data.tools.inventory import Holding, SplitState
from fmmp_train.terminal import table_console


def print_files(reports: Sequence[FileReport]) -> None:
    """Print a row for each annotation file."""
    table = Table(
        Column("file", overflow="fold"), "categories", "keypoints", "instances", "images", "missing", "faults"
    )
    for report in reports:
        held = report.dataset
        counts = [category.num_keypoints for category in held.categories.values()] if held else []
        table.add_row(
            report.file.name,
            str(len(counts)),
            f"{min(counts)} to {max(counts)}" if counts else "-",
            str(len(held.instances)) if held else "-",
            str(report.num_images),
            str(len(report.missing)),
            str(len(report.faults)),
        )
    table_console().print(table)


def print_inventory(holdings: Sequence[Holding], splits: Sequence[SplitState]) -> None:
    """Print MP-100's categories, the data sets that their images are from, and its splits."""
    console = table_console()
    table = _table("MP-100", "id", "category", "images from", "instances", "images", "there", "state")
    for holding in holdings:
        there = len(holding.images) - len(holding.missing) - len(holding.broken)
        counts = (len(holding.instances), len(holding.images), there)
        names = (str(holding.id), holding.name, holding.source)
        table.add_row(*names, *map(str, counts), holding.state)
    console.print(table)

    table = _table("by data set", "images from", "categories", "complete", "images", "missing", "broken")
    for source in dict.fromkeys(holding.source for holding in holdings):
        own = [holding for holding in holdings if holding.source == source]
        complete = sum(holding.state == "complete" for holding in own)
        images, missing, broken = (
            len({path for holding in own for path in getattr(holding, name)})
            for name in ("images", "missing", "broken")
        )
        table.add_row(source, *map(str, (len(own), complete, images, missing, broken)))
    console.print(table)

    table = _table("splits", "split", "annotations", "remarks")
    for state in splits:
        table.add_row(state.name, state.file or "-", _remarks(state))
    console.print(table)


def _remarks(state: SplitState) -> str:
    if state.file is None:
        return "no file"
    remarks = []
    if state.lacking:
        remarks.append(f"lacks the categories {', '.join(map(str, state.lacking))}")
    if state.foreign:
        remarks.append(f"has categories of another split: {', '.join(map(str, state.foreign))}")
    if not state.in_order:
        remarks.append("categories in another order than published: other episodes are drawn")
    return "; ".join(remarks) or "complete"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    words = ("category", "images from", "state", "split", "annotations", "remarks")
    for name in columns:
        table.add_column(name, justify="left" if name in words else "right", overflow="fold")
    return table
