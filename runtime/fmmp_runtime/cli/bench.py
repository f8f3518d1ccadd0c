# SPDX-License-Identifier: Apache-2.0
"""`fmmp-bench`: how long a frame takes here, after a check that the answers are right."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fmmp_runtime.cli.arguments import add_json, check_places, new_parser, positive
from fmmp_runtime.cli.command import command


@command("fmmp-bench")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1: something that the user can mend, or slower than the baseline."""
    args = _parser().parse_args(argv)
    # After parsing, so that --help is instant.
    from fmmp_runtime.bench.chart import check_chart, write_chart
    from fmmp_runtime.bench.machine import this_machine
    from fmmp_runtime.bench.report import Report, change_table, changes, table
    from fmmp_runtime.bench.run import run

    baseline = Report.load(args.compare) if args.compare else None
    if args.picture:
        check_chart(args.picture)
    check_places(args.json, args.picture)
    machine = this_machine()
    results = []
    for bundle in args.bundle:
        results += run(
            bundle,
            backend=args.backend,
            threads=args.threads,
            batches=args.batch,
            frames=args.frames,
            warmup=args.warmup,
            on_progress=lambda line: print(line, file=sys.stderr),
        )
    report = Report(machine=machine, results=results)
    for chosen in dict.fromkeys(result.timing.backend for result in results):
        print(chosen)
    print(f"{machine.processor}, {machine.cores} cores, load before the start {machine.load:g}")
    print(table(results))
    found = changes(baseline, report) if baseline else []
    if baseline:
        if baseline.machine.processor != machine.processor:
            print(f"the baseline is of another machine: {baseline.machine.processor}")
        print(change_table(found))
    if args.json:
        report.save(args.json)
    if args.picture:
        write_chart(args.picture, report, found)
    return int(any(change.verdict == "slower" for change in found))


def _parser() -> argparse.ArgumentParser:
    from fmmp_runtime.backends import NAMES

    parser = new_parser(
        "fmmp-bench",
        "Time a bundle: crop, query graph and answer of a 640 x 480 frame, the support "
        "remembered before. What gives other answers than PyTorch is not timed. Times go to stdout, progress "
        "to stderr.",
    )
    parser.add_argument("bundle", type=Path, nargs="+", help="folder that fmmp-export wrote")
    parser.add_argument("--backend", choices=("auto", *NAMES), default="auto", help="(default: %(default)s)")
    parser.add_argument(
        "--threads",
        type=_threads,
        nargs="+",
        default=[None],
        metavar="N",
        help="of a run (default: all cores)",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        nargs="+",
        default=[],
        metavar="N",
        help="frames a call (default: all graphs)",
    )
    parser.add_argument(
        "--frames", type=positive, default=200, help="to time in each way (default: %(default)s)"
    )
    parser.add_argument(
        "--warmup", type=positive, default=10, help="calls before that (default: %(default)s)"
    )
    add_json(parser, help="write the result with every call's time")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it, as PNG, SVG or PDF")
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="an earlier --json; ends with 1 where this is slower"
    )
    return parser


def _threads(text: str) -> int | None:
    return None if text == "all" else positive(text)


if __name__ == "__main__":
    sys.exit(main())
