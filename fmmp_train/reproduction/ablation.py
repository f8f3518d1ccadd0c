# SPDX-License-Identifier: Apache-2.0
"""Versions of the network beside each other, as in Tables 3 and 4 of the paper: who is better, how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fmmp_train.evaluation.report.paper import VERSIONS

REPEATS = 10_000
LEVEL = 0.95

# Each version, and the one that the paper's text compares it with: it should be better or worse as there.
COMPARED = {
    "table3-1": None,
    "table3-2": "table3-1",  # + recurrent mining of the support
    "table3-3": "table3-2",  # + structure
    "table3-4": "table3-3",  # + mixup padding
    "table3-5": "table3-4",  # + supervision of padded keypoints
    "table4-fledged": None,
    "table4-s3q3": "table4-fledged",
    "table4-alllink": "table4-fledged",
    "table4-nonelink": "table4-fledged",
    "table4-mixuptest": "table4-fledged",
    "table4-zerotest": "table4-fledged",
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One version, trained once and evaluated."""

    version: str  # of `presets.VARIANTS`
    seed: int
    category_mpck: dict[str, float]  # by name of the category, percent
    pck: list[float]  # at the four thresholds, mean over categories, percent

    @property
    def mpck(self) -> float:
        """Mean over categories, percent."""
        return float(np.mean(list(self.category_mpck.values())))


class Comparison(NamedTuple):
    """A version beside the one that it is compared with, in points of mPCK."""

    version: str
    other: str
    gain: float  # version - other
    low: float
    high: float
    paper_gain: float

    @property
    def verdict(self) -> str:
        """What the measurement says of the paper's order."""
        if self.low <= 0 <= self.high:
            return "undecided"
        return "as the paper" if (self.gain > 0) == (self.paper_gain > 0) else "against the paper"


def compare_versions(trials: Sequence[Trial]) -> list[Comparison]:
    """Each version of `COMPARED` that was tried with the seeds of its partner.

    The interval is a percentile bootstrap of the paired differences that draws categories and seeds anew: it
    says how far the gain would move with other categories of the same kind and other seeds.
    """
    found = []
    for version, other in COMPARED.items():
        if other is None:
            continue
        differences = _differences(trials, version, other)
        if differences is None:
            continue
        low, high = _interval(differences)
        gain, paper = float(differences.mean()), VERSIONS[version] - VERSIONS[other]
        found.append(Comparison(version, other, gain, low, high, paper))
    return found


def _differences(trials: Sequence[Trial], version: str, other: str) -> npt.NDArray[np.float64] | None:
    """(seeds, categories) of the seeds that both have; None where there are none."""
    by_seed: Mapping[str, dict[int, Trial]] = {
        name: {trial.seed: trial for trial in trials if trial.version == name} for name in (version, other)
    }
    seeds = sorted(by_seed[version].keys() & by_seed[other].keys())
    if not seeds:
        return None
    rows = []
    for seed in seeds:
        one, two = by_seed[version][seed].category_mpck, by_seed[other][seed].category_mpck
        if one.keys() != two.keys():
            raise ValueError(f"{version} and {other} were evaluated on other categories: run both again")
        rows.append([one[name] - two[name] for name in one])
    return np.array(rows)


def _interval(differences: npt.NDArray[np.float64]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    seeds, categories = differences.shape
    seed = rng.integers(seeds, size=(REPEATS, seeds, 1))
    category = rng.integers(categories, size=(REPEATS, 1, categories))
    means = differences[seed, category].mean(axis=(1, 2))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    return float(low), float(high)


def markdown(trials: Sequence[Trial]) -> str:
    """Two tables for a document: every version, then who is better."""
    lines = [
        "| version | runs | PCK@0.05 | 0.1 | 0.15 | 0.2 | mPCK | spread of seeds | paper, split 1 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for version in VERSIONS:
        mine = [trial for trial in trials if trial.version == version]
        if mine:
            pck = " | ".join(f"{value:.1f}" for value in np.mean([trial.pck for trial in mine], axis=0))
            each = [trial.mpck for trial in mine]
            lines.append(
                f"| {version} | {len(mine)} | {pck} | {np.mean(each):.1f} "
                f"| {min(each):.1f} to {max(each):.1f} | {VERSIONS[version]:.2f} |"
            )
    lines += [
        "",
        f"| better or worse, points of mPCK | measured | {LEVEL:.0%} interval | paper | order |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {c.version} over {c.other} | {c.gain:+.1f} | {c.low:+.1f} to {c.high:+.1f} "
        f"| {c.paper_gain:+.2f} | {c.verdict} |"
        for c in compare_versions(trials)
    ]
    return "\n".join(lines) + "\n"
