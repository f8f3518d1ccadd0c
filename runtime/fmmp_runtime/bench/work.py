# SPDX-License-Identifier: Apache-2.0
"""The part of `fmmp-bench` that is timed, in a process of its own: `python -m fmmp_runtime.bench.work TASK`.

One process, one measurement: memory and loading are those of a program that does this and nothing else, and
no pool of threads is left over from what was measured before. TASK is JSON; so is the line that it prints.
"""

import time

STARTED = time.perf_counter()  # before anything heavy is imported

import json  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from dataclasses import asdict, dataclass  # noqa: E402
from typing import Any  # noqa: E402

FRAME_HW = (480, 640)  # of the frames that are located in: a usual camera


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a process is asked to measure."""

    bundle: str
    backend: str
    threads: int | None  # None: one a physical core
    batch: int  # frames a call
    state: str  # file of a support state
    frames: int  # to time, at least; whole batches
    warmup: int  # calls before that


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What a process measured."""

    backend: str  # what was chosen, in its own words
    load_s: float  # imports, opening the bundle, reading the state: all before the first frame
    first_ms: float  # of the first call
    calls_ms: list[float]  # of each call after the warm-up
    peak_mb: float  # memory of the process


def check(task: Task) -> dict[str, Any]:
    """Compare the query graph for `task.batch` frames with PyTorch's answers, and remember a support."""
    import numpy as np

    from fmmp_runtime.bundle.reference import Reference, compare
    from fmmp_runtime.estimator import PoseEstimator
    from fmmp_runtime.parity import faults, limits_in_use
    from fmmp_runtime.support_state import SupportState

    estimator = PoseEstimator(task.bundle, task.backend, task.threads)
    model = estimator.model
    if task.batch not in model.batches:
        raise ValueError(
            f"{task.bundle} has graphs for {', '.join(map(str, sorted(model.batches)))} frame(s) at once, "
            f"not for {task.batch}: fmmp-export --batch {task.batch} makes one"
        )
    reference = Reference.load(estimator.bundle)
    found = compare(estimator.backend, model, reference, model.batches[task.batch])
    started = time.perf_counter()
    tensors = estimator.backend.run("support", reference.inputs(0))
    remember_ms = 1e3 * (time.perf_counter() - started)
    count = int(reference.visible[0].any(0).sum())
    SupportState(
        tensors=tensors,
        links=np.array([(point, point + 1) for point in range(count - 1)]).reshape(-1, 2),
        known=np.ones(count, np.bool_),
        shots=model.shots,
        notes=(),
        bundle=estimator.bundle,
    ).save(task.state)
    return {
        "backend": estimator.backend.description,
        "difference": asdict(found),
        "fault": "; ".join(faults(limits_in_use(model, found))),
        "remember_ms": remember_ms,
    }


def measure(task: Task) -> Timing:
    """Locate in frames, in the way a robot would, and time every call."""
    import numpy as np

    from fmmp_runtime.estimator import PoseEstimator

    estimator = PoseEstimator(task.bundle, task.backend, task.threads)
    state = estimator.load_state(task.state)
    load_s = time.perf_counter() - STARTED
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (*FRAME_HW, 3), dtype=np.uint8) for _ in range(task.batch)]
    calls = []
    for _ in range(1 + task.warmup + -(-task.frames // task.batch)):
        started = time.perf_counter()
        if task.batch == 1:
            estimator.locate(frames[0], state)
        else:
            estimator.locate(frames, state)
        calls.append(1e3 * (time.perf_counter() - started))
    return Timing(
        backend=estimator.backend.description,
        load_s=load_s,
        first_ms=calls[0],
        calls_ms=calls[1 + task.warmup :],
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    )


def main() -> int:
    """Do one task; what the user can mend is told in the answer."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends fmmp-bench too, which says so
    mode, text = sys.argv[1:]
    task = Task(**json.loads(text))
    try:
        answer = check(task) if mode == "check" else asdict(measure(task))
    except (OSError, ValueError) as error:
        answer = {"error": str(error)}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
