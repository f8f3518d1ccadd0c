# SPDX-License-Identifier: Apache-2.0
"""A report as one picture: PCK over the threshold, mPCK per category, and what the score is worth."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fmmp_runtime.files import write_atomically
from fmmp_runtime.pose import AREA_LIMIT, CORRECT_WITHIN, THRESHOLDS
from fmmp_train.evaluation.bootstrap import MEASURES, Summary
from fmmp_train.evaluation.evaluate import Report
from fmmp_train.evaluation.trust import Bin, Trust

# Okabe and Ito (2008), told apart by the colour-blind; dashes tell them apart in grey.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_MPCK = MEASURES.index("mPCK")
_DOTS_PER_INCH = 90


def write_chart(
    path: Path,
    title: str,
    reports: Mapping[str, Report],
    summaries: Mapping[str, Summary],
    judged: Mapping[str, Trust],
) -> None:
    """Draw all methods of an evaluation; the format is that of the name's ending.

    Raises:
        OSError: the file can't be written.
    """
    count = len(next(iter(summaries.values())).categories)
    figure = Figure(figsize=(12, max(7.5, 2.2 + 0.24 * count)), layout="constrained")
    figure.suptitle(title)
    grid = figure.add_gridspec(3, 2)
    _draw_categories(figure.add_subplot(grid[:, 0]), reports, summaries)
    _draw_pck(figure.add_subplot(grid[0, 1]), reports)
    reliability, risk = (figure.add_subplot(grid[row, 1]) for row in (1, 2))
    if judged:
        draw_reliability(reliability, {name: trust.bins for name, trust in judged.items()})
        _draw_risk(risk, judged, list(reports))
    else:
        for axes in (reliability, risk):
            axes.set_axis_off()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path)


def draw_reliability(axes: Axes, bins_of: Mapping[str, list[Bin]]) -> None:
    """Share of right keypoints over the score; on the diagonal the score is what it says."""
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for place, (name, bins) in enumerate(bins_of.items()):
        sizes = [10 + 300 * part.weight for part in bins]
        at = [part.score for part in bins], [part.right for part in bins]
        axes.plot(*at, color=COLOURS[place % 7], linestyle=DASHES[place % 7], label=name)
        axes.scatter(*at, s=sizes, color=COLOURS[place % 7], edgecolor="white", zorder=3)
    axes.set(
        xlabel="score (area of a dot: share of the keypoints)", ylabel="share right", xlim=(0, 1), ylim=(0, 1)
    )
    axes.set_title(f"reliability: right is an error below {CORRECT_WITHIN:g}", fontsize=10)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; complete or not there.

    Raises:
        OSError: the file can't be written.
        ValueError: a format that is not known.
    """
    data = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(data, format=path.suffix.lstrip(".") or "png", dpi=_DOTS_PER_INCH)
    write_atomically(path, data.getvalue())


def _draw_categories(axes: Axes, reports: Mapping[str, Report], summaries: Mapping[str, Summary]) -> None:
    names = dict(next(iter(reports.values())).categories)
    numbers = list(next(iter(summaries.values())).categories)
    height = 0.8 / len(summaries)
    for place, (name, summary) in enumerate(summaries.items()):
        mean, low, high = (
            np.array([100 * values[part][_MPCK] for values in summary.categories.values()])
            for part in range(3)
        )
        rows = np.arange(len(numbers)) + (place + 0.5) * height - 0.4
        spread = np.abs(np.stack([mean - low, high - mean]))
        axes.errorbar(mean, rows, xerr=spread, fmt="o", color=COLOURS[place % 7], markersize=4, label=name)
        axes.axvline(100 * summary.overall.mean[_MPCK], color=COLOURS[place % 7], linestyle=DASHES[place % 7])
    axes.set_yticks(range(len(numbers)), [f"{number} {names[number]}" for number in numbers], fontsize=8)
    axes.set(ylim=(len(numbers) - 0.5, -0.5), xlim=(0, 100), xlabel="mPCK, percent; line: overall")
    axes.set_title("categories, with 95 % intervals", fontsize=10)
    axes.grid(axis="y", alpha=0.3)


def _draw_pck(axes: Axes, reports: Mapping[str, Report]) -> None:
    at = np.linspace(0, 1.5 * AREA_LIMIT, 61)
    for place, report in enumerate(reports.values()):
        counts = np.bincount(report.owner, minlength=len(report.pck))
        weight = 1 / (len(report.pck) * counts[report.owner])  # of a keypoint in the mean over images
        share = [(weight * (report.error < limit)).sum() * 100 for limit in at]
        axes.plot(at, share, color=COLOURS[place % 7], linestyle=DASHES[place % 7])
    for limit in THRESHOLDS:
        axes.axvline(limit, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="threshold, longer box sides", ylabel="PCK, percent", ylim=(0, 100), xlim=(0, at[-1]))
    axes.set_title("PCK, mean over images", fontsize=10)


def _draw_risk(axes: Axes, judged: Mapping[str, Trust], methods: list[str]) -> None:
    for name, trust in judged.items():
        place = methods.index(name) % 7
        axes.plot(100 * trust.coverage, 100 * trust.risk, color=COLOURS[place], linestyle=DASHES[place])
    axes.set(
        xlabel="keypoints kept, surest first, percent", ylabel="wrong, percent", xlim=(0, 100), ylim=(0, None)
    )
    axes.set_title("risk over coverage", fontsize=10)
