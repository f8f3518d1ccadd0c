# SPDX-License-Identifier: Apache-2.0
"""What of MP-100 is in a data folder: its hundred categories and its fifteen split files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fmmp_train.data.mp100 import CATEGORIES, UNIFIED, split_categories
from fmmp_train.data.tools.check import Fault, FileReport

PARTS = ("train", "val", "test")
SPLITS = tuple(f"split{number}_{part}" for number in range(1, 6) for part in PARTS)


@dataclass
class Holding:
    """One category: what the annotation files say, and which of its images are there."""

    id: int
    name: str
    source: str  # data set of its images
    instances: set[int] = field(default_factory=set)  # annotation ids
    images: set[Path] = field(default_factory=set)
    missing: set[Path] = field(default_factory=set)
    broken: set[Path] = field(default_factory=set)

    @property
    def state(self) -> str:
        """In words."""
        if not self.instances:
            return "no annotations"
        if self.missing == self.images:
            return "no images"
        counts = {"missing": len(self.missing), "broken": len(self.broken)}
        faults = [f"{count} {word}" for word, count in counts.items() if count]
        return ", ".join(faults) or "complete"


@dataclass(frozen=True)
class SplitState:
    """One split: where its annotations are, and what is odd about them."""

    name: str
    file: str | None  # None: neither its own file nor the one of all categories is there
    lacking: tuple[int, ...]  # categories that it should have
    foreign: tuple[int, ...]  # and those that it should not
    in_order: bool  # episodes are drawn in the order of the file: another gives other numbers


def is_mp100(reports: Sequence[FileReport]) -> bool:
    """Whether any of the files is one of MP-100's, by its name."""
    return any(r.file.name == UNIFIED or split_categories(r.file.stem) is not None for r in reports)


def take_inventory(reports: Sequence[FileReport], faults: Mapping[Path, Fault]) -> list[Holding]:
    """All hundred categories in the order of their ids.

    Args:
        reports: of the annotation files.
        faults: images that are not there or cannot be read.
    """
    holdings = {number: Holding(number, *entry) for number, entry in sorted(CATEGORIES.items())}
    for report in reports:
        for instance in report.dataset.instances if report.dataset else ():
            holding = holdings.get(instance.category_id)
            if holding is None:
                continue  # of another data set in the same layout
            holding.instances.add(instance.id)
            holding.images.add(instance.image)
            fault = faults.get(instance.image)
            if fault is not None:
                (holding.missing if fault == "missing" else holding.broken).add(instance.image)
    return list(holdings.values())


def split_states(reports: Sequence[FileReport]) -> list[SplitState]:
    """The fifteen splits, each from its own file or from that of all categories."""
    by_name = {report.file.stem.removeprefix("mp100_"): report for report in reports if report.dataset}
    unified = by_name.get(Path(UNIFIED).stem.removeprefix("mp100_"))
    states = []
    for name in SPLITS:
        report = by_name.get(name, unified)
        expected = split_categories(name) or ()
        if report is None or report.dataset is None:
            states.append(SplitState(name, None, expected, (), True))
            continue
        found = list(report.dataset.categories)
        is_own = report is not unified
        lacking = tuple(number for number in expected if number not in found)
        foreign = tuple(number for number in found if number not in expected) if is_own else ()
        shared = [number for number in found if number in expected]
        wanted = [number for number in expected if number in found]
        ordered = not is_own or name.endswith("train") or shared == wanted
        states.append(SplitState(name, report.file.name, lacking, foreign, ordered))
    return states
