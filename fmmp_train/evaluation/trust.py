# SPDX-License-Identifier: Apache-2.0
"""What a score is worth: is it as often right as it says, and are the surest keypoints the best ones?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fmmp_runtime.pose import CORRECT_WITHIN
from fmmp_train.evaluation.evaluate import Floats, Report

BINS = 10


class Bin(NamedTuple):
    """Keypoints with nearly the same score."""

    score: float  # mean
    right: float  # share that is right
    weight: float  # share of all keypoints


class Trust(NamedTuple):
    """The score of a report, judged; right is an error below `CORRECT_WITHIN` of the longer box side."""

    bins: list[Bin]
    calibration_error: float
    coverage: Floats  # (N,) share of keypoints that are kept, from the surest one to all
    risk: Floats  # (N,) share of the kept ones that are wrong
    area: float  # under the curve of risk over coverage
    least_area: float  # of a score that puts every right keypoint before every wrong one


def reliability(score: Floats, is_right: npt.NDArray[np.bool_], weight: Floats | None = None) -> list[Bin]:
    """What share is right at each level of the score, in ten bins of equal width; empty ones are left out.

    Args:
        score: (N,) in [0, 1].
        is_right: (N,).
        weight: (N,), sums to 1; None: all the same.
    """
    share = np.full(len(score), 1 / max(len(score), 1)) if weight is None else weight
    number = np.minimum((score * BINS).astype(np.int64), BINS - 1)
    bins = []
    for index in range(BINS):
        inside = share * (number == index)
        total = float(inside.sum())
        if total > 0:
            bins.append(Bin(float(inside @ score) / total, float(inside @ is_right) / total, total))
    return bins


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: mean distance between score and share of right keypoints over the bins."""
    return sum(part.weight * abs(part.score - part.right) for part in bins)


def risk_coverage(score: Floats, is_right: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Share of wrong keypoints among the surest ones: coverage (N,), risk (N,).

    Keypoints of equal score are kept or left together, in the mean: their order says nothing.
    """
    wrong = 1.0 - is_right
    levels, group = np.unique(-score, return_inverse=True)  # the surest first
    mean = np.bincount(group, wrong, len(levels)) / np.bincount(group, minlength=len(levels))
    kept = np.arange(1, len(score) + 1)
    return kept / len(score), np.cumsum(mean[np.sort(group)]) / kept


def auroc(score: Floats, is_right: npt.NDArray[np.bool_]) -> float:
    """Chance that something right has a higher score than something wrong; equal scores count half.

    NaN where there is nothing right, or nothing wrong.
    """
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # from 1, the mean of equal ones
    right = int(is_right.sum())
    wrong = len(is_right) - right
    if not right or not wrong:
        return float("nan")
    return float((rank[is_right].sum() - right * (right + 1) / 2) / (right * wrong))


def trust(report: Report) -> Trust | None:
    """Judge the score of a method; None where it has none, or nothing could be scored."""
    if report.score is None or not len(report.score):
        return None
    is_right = report.error < CORRECT_WITHIN
    bins = reliability(report.score, is_right)
    coverage, risk = risk_coverage(report.score, is_right)
    best = risk_coverage(is_right.astype(np.float64), is_right)[1]
    return Trust(bins, calibration_error(bins), coverage, risk, float(risk.mean()), float(best.mean()))
