# SPDX-License-Identifier: Apache-2.0
"""How far the numbers of an evaluation would move with other support sets: bootstrap intervals.

Drawn again, with replacement and within each category, are support sets, each with all of its queries: pairs
that share supports vary together, so pairs drawn one by one would give intervals that are too narrow. The
categories stay: the intervals say nothing about others.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from fmmp_runtime.pose import THRESHOLDS
from fmmp_train.evaluation.evaluate import Floats, Report

REPEATS = 2000
LEVEL = 0.95
MEASURES = (*(f"PCK@{at:g}" for at in THRESHOLDS), "mPCK", "AUC", "NME")
Mean = Literal["category", "image"]


class Estimates(NamedTuple):
    """Means and their intervals, in the order of `MEASURES`."""

    mean: Floats  # (7,)
    low: Floats  # (7,)
    high: Floats  # (7,)


class Summary(NamedTuple):
    """A report in numbers."""

    overall: Estimates
    categories: dict[int, Estimates]


def summarise(report: Report, mean: Mean, *, repeats: int = REPEATS, seed: int = 0) -> Summary:
    """Means of all measures with percentile intervals at `LEVEL`.

    PCK, mPCK and AUC are means over all pairs, those without a keypoint to score counting 0; NME is the mean
    over the others.

    Args:
        report: of an evaluation.
        mean: overall, "category": over pairs, then categories; "image": over all pairs.
        repeats: of the bootstrap.
        seed: of its draws.
    """
    ids, rng = report.ids, np.random.default_rng(seed)
    values = np.column_stack([report.pck, report.pck.mean(1), report.area, np.nan_to_num(report.nme)])
    counts = np.ones_like(values)
    counts[:, -1] = report.scored
    sums: dict[int, Floats] = {}
    draws: dict[int, Floats] = {}
    for number in dict.fromkeys(ids.tolist()):
        rows = np.flatnonzero(ids == number)
        sets = np.unique(report.cluster[rows], return_inverse=True)[1]
        of_set = np.zeros((2, sets.max() + 1, len(MEASURES)))  # totals and their counts
        np.add.at(of_set[0], sets, values[rows])
        np.add.at(of_set[1], sets, counts[rows])
        size = of_set.shape[1]
        times = rng.multinomial(size, np.full(size, 1 / size), repeats).astype(np.float64)  # (R, sets)
        sums[number] = of_set.sum(1)  # (2, 7)
        draws[number] = times @ of_set  # (2, R, 7)
    categories = {number: _estimates(_ratio(sums[number]), _ratio(draws[number])) for number in sums}
    if mean == "image":
        overall = _estimates(_ratio(_total(sums)), _ratio(_total(draws)))
    else:
        each = np.stack([_ratio(total) for total in draws.values()])  # (C, R, 7)
        overall = _estimates(_mean(np.stack([_ratio(t) for t in sums.values()])), _mean(each))
    return Summary(overall, categories)


def _total(parts: dict[int, Floats]) -> Floats:
    total: Floats = np.sum(list(parts.values()), axis=0)
    return total


def _ratio(totals: Floats) -> Floats:
    """(2, ...) totals and counts -> means; NaN where nothing counts."""
    total, count = np.asarray(totals, np.float64)
    mean: Floats = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


def _mean(values: Floats) -> Floats:
    """Over the first axis, without NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    return _ratio(np.stack([np.where(known, values, 0).sum(0), known.sum(0).astype(np.float64)]))


def _estimates(mean: Floats, draws: Floats) -> Estimates:
    tail = (1 - LEVEL) / 2
    low, high = (np.full(len(MEASURES), np.nan) for _ in range(2))
    for column in range(len(MEASURES)):
        known = draws[:, column][~np.isnan(draws[:, column])]
        if known.size:
            low[column], high[column] = np.quantile(known, (tail, 1 - tail))
    return Estimates(mean, low, high)
