# SPDX-License-Identifier: Apache-2.0
"""The work of `fmmp-bench`: each way of running a bundle is checked, then timed, in processes of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fmmp_runtime.bench.report import Result
from fmmp_runtime.bench.work import Task, Timing
from fmmp_runtime.bundle.folder import Bundle


class ParityError(ValueError):
    """A way of running a bundle that does not give what PyTorch gives, so that its time means nothing."""


def run(
    bundle: Path,
    *,
    backend: str,
    threads: Sequence[int | None],
    batches: Sequence[int],
    frames: int,
    warmup: int,
    on_progress: Callable[[str], None],
) -> list[Result]:
    """Check and time a bundle.

    Args:
        bundle: the folder.
        backend: "auto", or one of `fmmp_runtime.backends.NAMES`.
        threads: of a run, each measured for itself; None is one a physical core.
        batches: frames a call, likewise; none takes every graph that the bundle has.
        frames: to time in each way.
        warmup: calls before that.
        on_progress: called with a line when something starts.

    Raises:
        OSError, ValueError: the bundle cannot be opened or run here, or a process died.
        ParityError: it runs, and gives something else than PyTorch gave.
    """
    model = Bundle.open(bundle).model
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for batch in batches or sorted(model.batches):
            for count in threads:
                task = Task(
                    bundle=str(bundle),
                    backend=backend,
                    threads=count,
                    batch=batch,
                    state=str(Path(folder) / "state.safetensors"),
                    frames=frames,
                    warmup=warmup,
                )
                way = f"{bundle}, {batch} frame(s) a call, {count or 'all'} thread(s)"
                on_progress(f"{way}: comparing with PyTorch's answers")
                checked = _child("check", task)
                if checked["fault"]:
                    raise ParityError(f"{way}, {checked['backend']}: not timed, for {checked['fault']}")
                on_progress(f"{way}: timing {frames} frames")
                timing = Timing(**_child("measure", task))
                results.append(
                    Result(
                        bundle=model.name,
                        source=model.source.sha256,
                        precision=model.precision,
                        target=model.target,
                        shots=model.shots,
                        batch=batch,
                        threads=count,
                        backend=backend,
                        max_px=checked["difference"]["max_px"],
                        remember_ms=checked["remember_ms"],
                        timing=timing,
                    )
                )
    return results


def _child(mode: str, task: Task) -> dict[str, Any]:
    """Do a task in a process of its own; its words go to ours."""
    command = [sys.executable, "-m", "fmmp_runtime.bench.work", mode, json.dumps(asdict(task))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise ChildProcessError(
            f"the process that should {mode} ended with {done.returncode}: {' '.join(command)}"
        )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer
