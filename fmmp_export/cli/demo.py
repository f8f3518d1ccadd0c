# SPDX-License-Identifier: Apache-2.0
"""`make demo`, or `python -m fmmp_export.cli.demo`: export the demo model and find keypoints with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fmmp_runtime.cli.arguments import add_out, new_parser
from fmmp_runtime.cli.command import command


@command("demo", extra="export")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; returns its exit code."""
    parser = new_parser(
        "python -m fmmp_export.cli.demo",
        "Export the demo model, then find keypoints of objects that it never saw, without torch.",
    )
    parser.add_argument("--ckpt", type=Path, help="checkpoint (default: the one in models/)")
    add_out(parser, metavar="DIR", default=Path("demo"), help="(default: %(default)s)")
    args = parser.parse_args(argv)
    from fmmp_export.demo import MODELS, find_checkpoint, run  # imports OpenCV and more: after parsing

    run(args.ckpt or find_checkpoint(MODELS), args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
