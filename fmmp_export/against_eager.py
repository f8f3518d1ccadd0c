# SPDX-License-Identifier: Apache-2.0
"""How much faster than PyTorch: `python -m fmmp_export.cli.against_eager`.

The checkpoint runs eagerly in torch as it was trained, 48 calls of the operator a pair, and as a bundle in
ONNX Runtime. Each way has a process of its own, one at a time, and they take turns for some rounds: what
counts is the ratio within a round, which a slow minute of the machine moves little.
"""

from __future__ import annotations

import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmmp_export.export import export_bundle
from fmmp_runtime.bench.machine import Machine
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.reference import Reference
from fmmp_runtime.cli.command import say

WARMUP = 3  # calls
BATCH = 8  # frames of the batched way


@dataclass(frozen=True, kw_only=True)
class Way:
    """What is compared: one frame's answer in torch, from images, and in ONNX Runtime."""

    title: str
    graph: str  # of the bundle
    shots: int
    batch: int  # frames a call, on both sides
    gate: float  # ratio that must be reached
    goal: float


WAYS = (
    Way(title="frame, support remembered", graph="query", shots=1, batch=1, gate=5, goal=8),
    Way(title="pair, nothing remembered", graph="pair", shots=1, batch=1, gate=3, goal=4),
    Way(title="frame, 5 shots remembered", graph="query", shots=5, batch=1, gate=10, goal=14),
    Way(
        title=f"frame in a batch of {BATCH}",
        graph=f"query_batch{BATCH}",
        shots=1,
        batch=BATCH,
        gate=6.5,
        goal=8,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A way, measured: milliseconds a frame, medians of each round's calls."""

    way: Way
    eager_ms: list[float]
    bundle_ms: list[float]

    @property
    def ratio(self) -> float:
        """Median over the rounds."""
        return float(np.median(np.divide(self.eager_ms, self.bundle_ms)))

    @property
    def verdict(self) -> str:
        """What the ratio reaches."""
        if self.ratio >= self.way.goal:
            return "goal"
        return "gate" if self.ratio >= self.way.gate else "missed"


def measure(
    checkpoint: Path,
    bundles: Path,
    *,
    precision: str,
    rounds: int,
    calls: int,
    on_progress: Callable[[str], None],
) -> list[Outcome]:
    """Export and time a checkpoint.

    Args:
        checkpoint: released `.pth`, or ours.
        bundles: empty folder for the bundles.
        precision: of the bundles: "fp32" or "int8".
        rounds: in which every way is timed once.
        calls: of each way in a round.
        on_progress: called with a line when something starts.
    """
    if precision not in ("fp32", "int8"):
        raise ValueError(f"precision must be fp32 or int8 on a CPU, got {precision!r}")
    for shots in sorted({way.shots for way in WAYS}):
        on_progress(f"exporting for {shots} shot(s)")
        export_bundle(
            checkpoint,
            bundles / str(shots),
            precision="int8" if precision == "int8" else "fp32",
            shots=shots,
            batches=(BATCH,) if shots == 1 else (),
        )
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(1, rounds + 1):
        for way in WAYS:
            for side in ("eager", "bundle"):
                on_progress(f"round {number} of {rounds}: {way.title}, {side}")
                call = [side, str(checkpoint), str(bundles / str(way.shots)), way.graph]
                call += [str(way.batch), str(calls)]
                found = subprocess.run(
                    [sys.executable, "-m", "fmmp_export.against_eager", *call],
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
                times.setdefault((way.title, side), []).append(float(found.stdout.splitlines()[-1]))
    return [
        Outcome(way=way, eager_ms=times[way.title, "eager"], bundle_ms=times[way.title, "bundle"])
        for way in WAYS
    ]


def _time(side: str, checkpoint: str, bundle: str, graph: str, batch: int, calls: int) -> float:
    """Median time of a frame, ms, on the crops that the bundle carries; run in a process of its own."""
    ask = _eager(checkpoint, bundle, batch) if side == "eager" else _bundle(bundle, graph, batch)
    taken = []
    for _ in range(WARMUP + calls):
        started = time.perf_counter()
        ask()
        taken.append(1e3 * (time.perf_counter() - started))
    return float(np.median(taken[WARMUP:])) / batch


def _eager(checkpoint: str, folder: str, batch: int) -> Callable[[], object]:
    from fmmp_train.checkpoint.files import load_model
    from fmmp_train.model.estimator import locate_crops

    reference = Reference.load(Bundle.open(folder))
    network = load_model(checkpoint)
    inputs = {"query": reference.query[:1], **reference.inputs(0)}
    crops = {name: np.repeat(array, batch, axis=0) for name, array in inputs.items()}
    return lambda: locate_crops(network, crops)


def _bundle(folder: str, graph: str, batch: int) -> Callable[[], object]:
    from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend

    bundle = Bundle.open(folder)
    backend, reference = OnnxRuntimeBackend(bundle), Reference.load(bundle)
    question = reference.inputs(0)
    query = np.repeat(reference.query[:1], batch, axis=0)
    if graph == "pair":
        feed = question
    else:
        feed = {n: np.repeat(t, batch, axis=0) for n, t in backend.run("support", question).items()}
    return lambda: backend.run(graph, {"query": query, **feed})


def table(outcomes: Sequence[Outcome], machine: Machine, precision: str) -> str:
    """Markdown, for people and documents."""
    lines = [
        f"{machine.processor}, {machine.cores} cores, ONNX Runtime {machine.onnxruntime}, "
        f"Python {machine.python}; bundle {precision}; load before the start {machine.load:g}",
        "",
        "| | torch, eager, ms | bundle, ms | ratio | rounds | gate | goal | reached |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        ratios = np.divide(outcome.eager_ms, outcome.bundle_ms)
        lines.append(
            f"| {outcome.way.title} | {np.median(outcome.eager_ms):.0f} | {np.median(outcome.bundle_ms):.1f} "
            f"| **{outcome.ratio:.1f}** | {ratios.min():.1f} to {ratios.max():.1f} "
            f"| {outcome.way.gate:g} | {outcome.way.goal:g} | {outcome.verdict} |"
        )
    return "\n".join(lines)


if __name__ == "__main__" and sys.argv[1:2] in (
    ["eager"],
    ["bundle"],
):  # one measurement, in a process of its own
    side, checkpoint, bundle, graph, *numbers = sys.argv[1:]
    print(_time(side, checkpoint, bundle, graph, *map(int, numbers)))
elif __name__ == "__main__":  # what the command was called before
    say(
        "against_eager",
        "call python -m fmmp_export.cli.against_eager: the name without cli will go with the next release",
    )
    runpy.run_module("fmmp_export.cli.against_eager", run_name="__main__")
