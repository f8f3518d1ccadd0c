# SPDX-License-Identifier: Apache-2.0
"""Many frames through one estimator: memory stays flat, and every answer is what it was the first time.

`python runtime/benchmarks/soak.py BUNDLE [--frames 10000] [--batch 8] [--workers 4]`, on Linux. Frames of
several sizes, half of them with a box, are made anew each time, as by a camera; two categories take turns.
Ends with 1 when memory grows by more than `--growth` MB between the second and the last quarter, when there
are more open files or threads then, or when an answer differs in a single bit.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from fmmp_runtime import Pose, PoseEstimator, Support, SupportState
from fmmp_runtime.media.image import Image

SIZES = ((480, 640), (360, 360), (720, 1280), (96, 130))  # H, W
SAMPLES = 40  # of memory
BOX = (20, 10, 70, 80)  # x, y, width, height; inside of all of them


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--frames", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="frames a call (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=1, help="Python threads that ask (default: %(default)s)"
    )
    parser.add_argument("--backend", default="auto", help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, help="of a run (default: one a core)")
    parser.add_argument("--growth", type=float, default=4.0, metavar="MB", help="(default: %(default)s)")
    args = parser.parse_args()
    estimator = PoseEstimator(args.bundle, args.backend, args.threads)
    print(estimator.backend.description)
    states = [_state(estimator, seed) for seed in range(2)]
    pictures = [np.random.default_rng(n).integers(0, 256, (*s, 3), np.uint8) for n, s in enumerate(SIZES)]

    calls = -(-args.frames // args.batch)
    first: dict[int, list[Pose]] = {}
    memory, held, changed = [], [], 0
    milliseconds = np.full(calls, np.nan)  # a list would be what grows

    def ask(call: int) -> tuple[int, list[Pose], float]:
        place = call % (2 * len(pictures) * len(states))
        frames = [pictures[(call + n) % len(pictures)].copy() for n in range(args.batch)]
        boxes = [BOX if place >= len(pictures) * len(states) else None] * args.batch
        started = time.perf_counter()
        poses = estimator.locate(frames, states[call // len(pictures) % len(states)], boxes)
        return place, poses, 1e3 * (time.perf_counter() - started) / args.batch

    step = max(1, calls // SAMPLES)
    with ThreadPoolExecutor(args.workers) as pool:
        for start in range(0, calls, step):
            some = range(start, min(start + step, calls))
            for call, (place, poses, took) in zip(some, pool.map(ask, some), strict=True):
                milliseconds[call] = took
                expected = first.setdefault(place, poses)
                changed += not all(_same(a, b) for a, b in zip(poses, expected, strict=True))
            memory.append(_resident())
            held.append(
                (len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir())))
            )
    quarter = len(memory) // 4
    growth = max(memory[-quarter:]) - max(memory[quarter : 2 * quarter])
    tenth = max(1, calls // 10)
    print(
        f"{calls * args.batch} frames, {args.batch} a call: {changed} calls with another answer than at first"
    )
    print(f"memory: {max(memory[quarter : 2 * quarter]):.1f} MB in the second quarter, {growth:+.2f} later")
    print(
        f"a frame: {np.median(milliseconds[:tenth]):.1f} ms in the first tenth, "
        f"{np.median(milliseconds[-tenth:]):.1f} in the last"
    )
    slope, error = _slope(memory[quarter:], step * args.batch)
    print(f"memory a 1000 frames after the first quarter: {slope:+.3f} MB, standard error {error:.3f}")
    (files, threads), (files_later, threads_later) = held[quarter], held[-1]
    print(f"open files {files}, later {files_later}; threads {threads}, later {threads_later}")
    more = files_later > files or threads_later > threads
    return 1 if changed or more or growth > args.growth else 0


def _slope(samples: list[float], frames: int) -> tuple[float, float]:
    """Least squares over samples that lie so many frames apart, a 1000 frames, and its standard error."""
    x = np.arange(len(samples)) * frames / 1000
    y = np.array(samples)
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    rest = y - y.mean() - slope * centred
    return slope, float(np.sqrt(rest @ rest / max(len(x) - 2, 1) / (centred @ centred)))


def _state(estimator: PoseEstimator, seed: int) -> SupportState:
    rng = np.random.default_rng(100 + seed)
    image: Image = rng.integers(0, 256, (300, 400, 3), np.uint8)
    return estimator.remember([Support(image, rng.uniform((40, 30), (360, 270), (8, 2)))])


def _same(pose: Pose, other: Pose) -> bool:
    return np.array_equal(pose.keypoints, other.keypoints) and np.array_equal(pose.score, other.score)


def _resident() -> float:
    """Memory of this process that lies in RAM, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


if __name__ == "__main__":
    sys.exit(main())
