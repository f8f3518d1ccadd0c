# SPDX-License-Identifier: Apache-2.0
"""The picture of `fmmp-bench`: how the times of the calls are spread, and the medians beside a baseline."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fmmp_runtime.bench.report import Change, Report
from fmmp_runtime.files import write_atomically

# Okabe and Ito (2008), told apart by the colour-blind.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
TAIL = 99.5  # percentile at which the histograms end: one slow call in a thousand would squeeze the rest


def check_chart(path: Path) -> None:
    """See that a chart can be drawn there, before anything is measured for it.

    Raises:
        ValueError: there is no matplotlib, or the name's ending is no format of a picture.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
    except ModuleNotFoundError as error:
        raise ValueError("--picture needs matplotlib: pip install matplotlib") from error

    known = sorted(FigureCanvasAgg.get_supported_filetypes())
    if path.suffix.lstrip(".") not in known:
        raise ValueError(f"{path} must end with the name of a format: {', '.join(known)}")


def write_chart(path: Path, report: Report, found: Sequence[Change]) -> None:
    """Draw a report, beside a baseline where there are changes; the format is that of the name's ending.

    Raises:
        ModuleNotFoundError: there is no matplotlib.
        OSError: the file can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    results = report.results
    rows = 2 if found else 1
    height = 2.5 + 0.5 * len(results) + (0.6 * len(found) + 1.2 if found else 0)
    figure = Figure(figsize=(9, height), layout="constrained")
    figure.suptitle(f"{report.machine.processor}, {report.machine.cores} cores", fontsize=10)
    spread, *beside = figure.subplots(rows, 1, squeeze=False)[:, 0]
    end = max(result.percentile(TAIL) for result in results)
    bins = np.linspace(min(float(result.frames_ms.min()) for result in results), end, 60).tolist()
    for number, result in enumerate(results):
        colour = COLOURS[number % len(COLOURS)]
        label = f"{result.bundle}: {result.key}, median {result.percentile(50):.1f} ms"
        spread.hist(result.frames_ms, bins, histtype="stepfilled", alpha=0.4, color=colour, label=label)
        spread.axvline(result.percentile(50), color=colour)
    spread.set(xlabel="ms a frame", ylabel="calls")
    spread.legend(fontsize=7, frameon=False)
    if found:
        place = np.arange(len(found))
        axes = beside[0]
        axes.barh(place - 0.2, [change.before_ms for change in found], 0.4, color="0.7", label="baseline")
        axes.barh(place + 0.2, [change.now_ms for change in found], 0.4, color=COLOURS[0], label="now")
        for at, change in enumerate(found):
            axes.text(
                change.now_ms, at + 0.2, f" {change.ratio:.2f}x, {change.verdict}", va="center", fontsize=8
            )
        axes.set_yticks(place, [change.key for change in found], fontsize=7)
        axes.set(xlabel="ms a frame, median", ylim=(len(found) - 0.5, -0.5))
        axes.margins(x=0.2)
        axes.legend(fontsize=7, frameon=False)
    data = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(data, format=path.suffix.lstrip("."), dpi=100)
    write_atomically(path, data.getvalue())
