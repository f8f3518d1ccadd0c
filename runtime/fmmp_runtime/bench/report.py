# SPDX-License-Identifier: Apache-2.0
"""What `fmmp-bench` found, as a table, as JSON, and beside an earlier run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.bench.machine import Machine
from fmmp_runtime.bench.work import Timing
from fmmp_runtime.files import read_regular, write_json
from fmmp_runtime.settings import parse

FORMAT = 1
MOST_BYTES = 64 << 20  # of a report; ours have some kilobytes
RESAMPLES = 1000
SAME = 0.05  # a median that moved by less is called the same: another run moves it as much


@dataclass(frozen=True, kw_only=True)
class Result:
    """One bundle in one way of running it."""

    bundle: str  # its name
    source: str  # SHA-256 of the checkpoint
    precision: str
    target: str
    shots: int
    batch: int  # frames a call
    threads: int | None  # None: one a physical core
    backend: str  # as asked for
    max_px: float  # of the reference questions, against PyTorch in float32
    remember_ms: float  # of the first support, once
    timing: Timing

    @property
    def key(self) -> str:
        """What makes two results comparable."""
        threads = "all" if self.threads is None else self.threads
        return (
            f"{self.precision} {self.target} {self.backend} "
            f"S={self.shots} batch={self.batch} threads={threads}"
        )

    @property
    def frames_ms(self) -> NDArray[np.float64]:
        """Time of a frame in each call."""
        return np.asarray(self.timing.calls_ms) / self.batch

    def percentile(self, share: float) -> float:
        """Milliseconds a frame."""
        return float(np.percentile(self.frames_ms, share))

    @property
    def frames_per_second(self) -> float:
        """Throughput, one call after the other."""
        return float(1e3 / self.frames_ms.mean())


@dataclass(frozen=True, kw_only=True)
class Report:
    """A run of `fmmp-bench`."""

    machine: Machine
    results: list[Result]

    def save(self, path: Path) -> None:
        """Write it as JSON: the summary for readers, and every call's time for `compare`.

        Raises:
            OSError: the file can't be written.
        """
        rows = [
            asdict(result)
            | {
                "key": result.key,
                "p50_ms": result.percentile(50),
                "p95_ms": result.percentile(95),
                "p99_ms": result.percentile(99),
                "frames_per_second": result.frames_per_second,
            }
            for result in self.results
        ]
        content = {"format": FORMAT, "machine": asdict(self.machine), "results": rows}
        write_json(path, content)

    @classmethod
    def load(cls, path: Path) -> "Report":
        """Read what `save` wrote.

        Raises:
            OSError: there is no such file.
            ValueError: it is something else, or of another format.
        """
        wrong = f"{path} is no report of fmmp-bench: write one with --json"
        try:
            content = parse(read_regular(path, MOST_BYTES))
        except ValueError as error:
            raise ValueError(f"{wrong} ({error})") from error
        if not isinstance(content, dict) or "results" not in content:
            raise ValueError(wrong)
        if content.get("format") != FORMAT:
            raise ValueError(
                f"{path} has format {content.get('format')!r}, this fmmp reads {FORMAT}: write it again"
            )
        try:
            machine = Machine(**content["machine"])
            return cls(machine=machine, results=[_result(row) for row in content["results"]])
        except (KeyError, TypeError) as error:
            raise ValueError(f"{wrong} ({error})") from error


def _result(row: Mapping[str, Any]) -> Result:
    values = {name: row[name] for name in Result.__dataclass_fields__}
    return Result(**values | {"timing": Timing(**row["timing"])})


def table(results: Sequence[Result]) -> str:
    """Rows for people; times are of one frame."""
    head = ("bundle", "way", "p50 ms", "p95", "p99", "frames/s", "first ms", "load s", "peak MB", "max px")
    rows = [
        (
            result.bundle,
            result.key,
            f"{result.percentile(50):.1f}",
            f"{result.percentile(95):.1f}",
            f"{result.percentile(99):.1f}",
            f"{result.frames_per_second:.1f}",
            f"{result.timing.first_ms:.0f}",
            f"{result.timing.load_s:.2f}",
            f"{result.timing.peak_mb:.0f}",
            f"{result.max_px:.2g}",
        )
        for result in results
    ]
    return _columns([head, *rows], left=2)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A result beside the same way of an earlier run."""

    key: str
    before_ms: float  # medians
    now_ms: float
    ratio: float  # before / now: above 1 is faster
    low: float  # 95 % interval of the ratio
    high: float

    @property
    def verdict(self) -> str:
        """`faster` or `slower` where the whole interval says so, and by more than `SAME`."""
        if self.low > 1 + SAME:
            return "faster"
        return "slower" if self.high < 1 / (1 + SAME) else "same"


def changes(before: Report, now: Report) -> list[Change]:
    """Compare what both have measured in the same way.

    Raises:
        ValueError: there is nothing that both have.
    """
    earlier = {result.key: result for result in before.results}
    found = [_change(earlier[result.key], result) for result in now.results if result.key in earlier]
    if not found:
        raise ValueError(
            f"the baseline has {', '.join(earlier)}; this run has {', '.join(r.key for r in now.results)}: "
            "nothing to compare"
        )
    return found


def _change(before: Result, now: Result) -> Change:
    rng = np.random.default_rng(0)

    def medians(samples: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.median(rng.choice(samples, (RESAMPLES, len(samples))), axis=1))

    ratios = medians(before.frames_ms) / medians(now.frames_ms)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return Change(
        key=now.key,
        before_ms=before.percentile(50),
        now_ms=now.percentile(50),
        ratio=before.percentile(50) / now.percentile(50),
        low=float(low),
        high=float(high),
    )


def change_table(found: Sequence[Change]) -> str:
    """Rows for people."""
    head = ("way", "before ms", "now ms", "before/now", "95 %", "verdict")
    rows = [
        (
            change.key,
            f"{change.before_ms:.1f}",
            f"{change.now_ms:.1f}",
            f"{change.ratio:.2f}",
            f"{change.low:.2f}-{change.high:.2f}",
            change.verdict,
        )
        for change in found
    ]
    return _columns([head, *rows], left=1)


def _columns(rows: Sequence[Sequence[str]], left: int) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
