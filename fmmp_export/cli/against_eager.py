# SPDX-License-Identifier: Apache-2.0
"""`python -m fmmp_export.cli.against_eager`: how much faster a bundle is than its checkpoint in PyTorch."""

from __future__ import annotations

import argparse
import logging
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fmmp_runtime.cli.arguments import add_json, check_places, new_parser, positive
from fmmp_runtime.cli.command import command, say


@command("against_eager", extra="export")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 where every gate is reached, else 1."""
    args = _parser().parse_args(argv)
    check_places(args.json)
    # Imports torch: after parsing, so that --help is instant.
    from fmmp_export.against_eager import measure, table
    from fmmp_runtime.bench.machine import this_machine
    from fmmp_runtime.files import write_json

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    machine = this_machine()
    with tempfile.TemporaryDirectory() as folder:
        try:
            outcomes = measure(
                args.ckpt,
                Path(folder),
                precision=args.precision,
                rounds=args.rounds,
                calls=args.calls,
                on_progress=lambda line: say("against_eager", line),
            )
        except subprocess.CalledProcessError as error:  # it has said why
            raise ValueError(f"a measurement ended with {error.returncode}") from error
    if args.json:
        rows = [asdict(each) | {"ratio": each.ratio, "reached": each.verdict} for each in outcomes]
        write_json(args.json, {"machine": asdict(machine), "precision": args.precision, "ways": rows})
    print(table(outcomes, machine, args.precision))
    return int(any(outcome.verdict == "missed" for outcome in outcomes))


def _parser() -> argparse.ArgumentParser:
    default = " (default: %(default)s)"
    parser = new_parser(
        "python -m fmmp_export.cli.against_eager",
        "Time a checkpoint in eager PyTorch and as a bundle in ONNX Runtime, in turns.",
    )
    parser.add_argument("--ckpt", type=Path, required=True, help="released .pth, or ours")
    parser.add_argument(
        "--precision", choices=("fp32", "int8"), default="fp32", help="of the bundle" + default
    )
    parser.add_argument(
        "--rounds", type=positive, default=5, help="in which each way is timed once" + default
    )
    parser.add_argument("--calls", type=positive, default=15, help="of each way in a round" + default)
    add_json(parser, help="write every number")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
