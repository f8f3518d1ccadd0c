# SPDX-License-Identifier: Apache-2.0
"""Many frames through one estimator: memory stays flat, and every answer is what it was the first time.

`python runtime/benchmarks/soak.py BUNDLE [--frames 10000] [--batch 8]`, on Linux. Frames of several sizes are
made anew each time, as by a camera; two categories take turns. Ends with 1 when memory grows by more than
`--growth` MB between the second and the last quarter, or when an answer differs in a single bit.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from fmmp_runtime import Pose, PoseEstimator, Support, SupportState
from fmmp_runtime.media.image import Image

SIZES = ((480, 640), (360, 360), (720, 1280), (96, 130))  # H, W
SAMPLES = 40  # of memory


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--frames", type=int, default=10_000, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="frames a call (default: %(default)s)")
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
    memory, milliseconds, changed = [], [], 0
    for call in range(calls):
        place = call % (len(pictures) * len(states))
        frames = [pictures[(call + n) % len(pictures)].copy() for n in range(args.batch)]
        started = time.perf_counter()
        poses = estimator.locate(frames, states[call // len(pictures) % len(states)])
        milliseconds.append(1e3 * (time.perf_counter() - started) / args.batch)
        expected = first.setdefault(place, poses)
        changed += not all(_same(a, b) for a, b in zip(poses, expected, strict=True))
        if call % max(1, calls // SAMPLES) == 0:
            memory.append(_resident())
    quarter = len(memory) // 4
    growth = max(memory[-quarter:]) - max(memory[quarter : 2 * quarter])
    tenth = max(1, calls // 10)
    print(
        f"{calls * args.batch} frames, {args.batch} a call: {changed} calls with another answer than at first"
    )
    print(f"memory: {max(memory[quarter : 2 * quarter]):.1f} MB in the second quarter, {growth:+.2f} later")
    print(
        f"a frame: {statistics.median(milliseconds[:tenth]):.1f} ms in the first tenth, "
        f"{statistics.median(milliseconds[-tenth:]):.1f} in the last"
    )
    return 1 if changed or growth > args.growth else 0


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
