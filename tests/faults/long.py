# SPDX-License-Identifier: Apache-2.0
"""Throw inputs at every door for a while and print a table: `python -m tests.faults.long --seconds 600`.

Each kind runs in a process of its own with a limit of memory, so that a crash, a hang and an input that takes
all memory are counted as what they are. `--only KIND --seed N` strikes with one input again.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

MOST_SECONDS = 60  # of one input: a hang
MOST_BYTES = 6 << 30  # of address space beyond what the process starts with
TOLD = 3  # faults of one text that are shown


def strike_on(name: str, seed: int, seconds: float, said: Connection) -> None:
    """Strike until the time is up, from `seed` on, and tell of each: seed, taken, fault."""
    from tests.faults.inputs import ATTACKS

    logging.disable()
    warnings.simplefilter("error", RuntimeWarning)  # a command would print it as lines of its own
    with tempfile.TemporaryDirectory() as folder:
        strike = ATTACKS[name].prepare(Path(folder))
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES,) * 2)
        until = time.process_time() + seconds
        while time.process_time() < until or seconds == 0:
            faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
            said.send((seed, None, None))
            try:
                taken, fault = strike(random.Random(f"{name} {seed}")), None
            except BaseException as error:
                taken, fault = False, f"{error}\n{traceback.format_exc()}"
            said.send((seed, taken, fault))
            seed += 1
            if seconds == 0:
                break
        faulthandler.cancel_dump_traceback_later()
    said.send(None)


def attack(name: str, seed: int, seconds: float) -> tuple[int, int, float, dict[int, str]]:
    """Inputs, how many of them were taken, seconds of CPU, and faults by seed."""
    done, taken_count, faults = 0, 0, {}
    started, used = time.monotonic(), _children()
    context = multiprocessing.get_context("spawn")
    while True:
        ours, theirs = context.Pipe(duplex=False)
        left = max(0.001, seconds - (time.monotonic() - started)) if seconds else 0
        process = context.Process(target=strike_on, args=(name, seed, left, theirs))
        process.start()
        theirs.close()
        ended, last = False, seed
        try:
            while (said := ours.recv()) is not None:
                last, taken, fault = said
                if taken is not None:
                    done, taken_count = done + 1, taken_count + taken
                    if fault:
                        faults[last] = fault
            ended = True
        except EOFError:
            pass
        process.join()
        if ended:
            return done, taken_count, _children() - used, faults
        done += 1
        faults[last] = (
            f"the process died with {process.exitcode} (a negative one is a signal; 1 may be a hang)\n"
        )
        seed = last + 1
        if not seconds or len(faults) > 200 or time.monotonic() - started > 3 * seconds + 60:
            return done, taken_count, _children() - used, faults


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Run the command line."""
    from tests.faults.inputs import ATTACKS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--seconds", type=float, default=600, help="of CPU, shared alike (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", default=list(ATTACKS), choices=list(ATTACKS), metavar="KIND")
    parser.add_argument("--seed", type=int, help="this input alone")
    args = parser.parse_args()
    each = args.seconds / len(args.only)
    print("| inputs of | inputs | taken | CPU s | failures |\n|---|---|---|---|---|")
    total, failed = 0, 0
    for name in args.only:
        seconds = 0 if args.seed is not None else each
        done, taken, used, faults = attack(name, args.seed or 0, seconds)
        print(f"| {name} | {done:,} | {taken:,} | {used:.0f} | {len(faults)} |", flush=True)
        shown: Counter[str] = Counter()
        for seed, fault in faults.items():
            head = fault.splitlines()[0]
            shown[head] += 1
            if shown[head] <= TOLD:
                print(f"--only {name!r} --seed {seed}: {fault}", file=sys.stderr, flush=True)
        total, failed = total + done, failed + len(faults)
    print(f"| **all** | {total:,} | | | {failed} |")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
