# SPDX-License-Identifier: Apache-2.0
"""Reports as JSON and CSV for programs: shares of 1, every digit."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from fmmp_runtime import files
from fmmp_runtime.pose import AREA_LIMIT, CORRECT_WITHIN, THRESHOLDS
from fmmp_train.evaluation.bootstrap import LEVEL, MEASURES, REPEATS, Estimates, Summary
from fmmp_train.evaluation.evaluate import Report
from fmmp_train.evaluation.protocol import Protocol
from fmmp_train.evaluation.report.paper import Published
from fmmp_train.evaluation.report.tables import pair_counts
from fmmp_train.evaluation.trust import Trust

_CURVE_POINTS = 100  # of risk over coverage that the JSON file keeps


def write_json(
    path: Path,
    reports: Mapping[str, Report],
    summaries: Mapping[str, Summary],
    judged: Mapping[str, Trust],
    protocol: Protocol,
    *,
    split: str,
    painted: bool = False,
    paper: Sequence[Published] = (),
) -> None:
    """Write all numbers; those that are not finite become null.

    Raises:
        OSError: the file can't be written.
    """
    content = {
        "split": split,
        "painted_images": painted,
        "protocol": asdict(protocol),
        "thresholds": list(THRESHOLDS),
        "auc_limit": AREA_LIMIT,
        "bootstrap": {"level": LEVEL, "repeats": REPEATS, "resampled": "support sets within each category"},
        "methods": {
            name: {**_as_json(report, summaries[name]), "score": _trust_as_json(judged.get(name))}
            for name, report in reports.items()
        },
        "paper": [row._asdict() for row in paper],  # percent
    }
    files.write_json(path, content)


def write_csv(path: Path, reports: Mapping[str, Report], summaries: Mapping[str, Summary]) -> None:
    """Write a row for each method and category, and one for the mean over all of them.

    Raises:
        OSError: the file can't be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    measures = [f"{name}{part}" for name in MEASURES for part in ("", " low", " high")]
    table.writerow(["method", "category", "name", "pairs", "scored pairs", *measures])
    for name, report in reports.items():
        names, counts, summary = dict(report.categories), pair_counts(report), summaries[name]
        for number, estimates in summary.categories.items():
            scored = int(report.scored[report.ids == number].sum())
            table.writerow([name, number, names[number], counts[number], scored, *_triples(estimates)])
        total = [len(report.pck), int(report.scored.sum())]
        table.writerow([name, "", "all", *total, *_triples(summary.overall)])
    files.write_atomically(path, text.getvalue().encode())


def _triples(estimates: Estimates) -> list[float]:
    return [float(v) for v in np.stack(estimates, axis=1).ravel()]


def _as_json(report: Report, summary: Summary) -> dict[str, Any]:
    names, counts = dict(report.categories), pair_counts(report)
    return {
        "category_mean": report.category_mean,
        "image_mean": report.image_mean,
        "scored_image_mean": report.scored_image_mean,
        "overall": _estimates_as_json(summary.overall),
        "pairs": len(report.pck),
        "scored_pairs": int(report.scored.sum()),
        "support_sets": int(report.cluster.max()) + 1,
        "keypoints": len(report.error),
        "categories": [
            {
                "id": number,
                "name": names[number],
                "pairs": counts[number],
                "pck": estimates.mean[: len(THRESHOLDS)],
                **_estimates_as_json(estimates),
            }
            for number, estimates in summary.categories.items()
        ],
    }


def _estimates_as_json(estimates: Estimates) -> dict[str, list[float]]:
    """Name -> mean and both ends of the interval."""
    return dict(zip(MEASURES, np.stack(estimates, axis=1).tolist(), strict=True))


def _trust_as_json(trust: Trust | None) -> dict[str, Any] | None:
    if trust is None:
        return None
    rows = np.unique(np.linspace(0, len(trust.risk) - 1, _CURVE_POINTS).round().astype(np.int64))
    return {
        "right_below": CORRECT_WITHIN,
        "calibration_error": trust.calibration_error,
        "reliability": [part._asdict() for part in trust.bins],
        "risk_coverage": {"coverage": trust.coverage[rows], "risk": trust.risk[rows]},
        "risk_area": trust.area,
        "least_risk_area": trust.least_area,
    }
