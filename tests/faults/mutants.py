# SPDX-License-Identifier: Apache-2.0
"""Break the code in every way of `breaks.py`; a test turns red: `python -m tests.faults.mutants`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.faults.breaks import MUTANTS

ROOT = Path(__file__).parents[2]
MOST_SECONDS = 600  # a break that makes a test wait for ever is noticed too
RED = 1  # pytest's exit code for failed tests


def run(tests: Sequence[str], mutant: str | None) -> int:
    """Exit code of pytest over some tests, which a mutant breaks."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} | ({"FMMP_MUTANT": mutant} if mutant else {})
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "tests.faults.mutate"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=MOST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return RED
    return done.returncode


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=list(MUTANTS), choices=list(MUTANTS), metavar="NAME")
    parser.add_argument("--jobs", type=int, default=1, help="at once (default: %(default)s)")
    args = parser.parse_args()
    started = time.monotonic()
    with ThreadPoolExecutor(args.jobs) as pool:
        codes = list(pool.map(lambda name: run([MUTANTS[name].tests], name), args.only))
    alive = [(name, code) for name, code in zip(args.only, codes, strict=True) if code != RED]
    for name, code in alive:
        print(f"not noticed by {MUTANTS[name].tests} (pytest ended with {code}): {name}")
    print(f"{len(codes) - len(alive)} of {len(codes)} noticed, {time.monotonic() - started:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
