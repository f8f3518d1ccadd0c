# SPDX-License-Identifier: Apache-2.0
"""`fmmp-eval`: PCK of a checkpoint or a bundle, and of the baselines."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.model is None and not args.baselines:
        parser.error("nothing to evaluate: give a MODEL, or --baselines, or both")

    from fmmp_train.compare import (  # imports torch: after parsing, so that --help is instant
        Protocol,
        compare,
    )
    from fmmp_train.progress import show_evaluation
    from fmmp_train.tables import print_tables, write_json

    try:
        protocol = Protocol(
            name=args.protocol,
            shots=args.shots,
            seed=args.seed,
            categories=tuple(args.categories),
            pairs=args.pairs,
            episodes=args.episodes,
            queries=args.queries,
        )
    except ValueError as error:
        parser.error(str(error))
    try:
        with show_evaluation() as tell:
            reports = compare(
                args.model,
                args.data,
                args.split,
                protocol,
                baselines=args.baselines,
                device=args.device,
                backend=args.backend,
                max_keypoints=args.keypoints,
                tell=tell,
            )
        if args.json is not None:
            write_json(args.json, reports, protocol)
    except (OSError, ValueError) as error:
        parser.exit(1, f"fmmp-eval: {error}\n")
    print_tables(reports, protocol)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fmmp-eval", description="PCK of a checkpoint or a bundle per category and overall."
    )
    default = " (default: %(default)s)"
    parser.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="checkpoint (file) or bundle (folder)"
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with annotations/ and images/"
    )
    parser.add_argument("--split", default="val", help="annotations/<split>.json" + default)
    parser.add_argument("--shots", type=int, default=1, help="support images" + default)
    parser.add_argument(
        "--categories", type=_ids, default=(), metavar="ID,ID", help="only these (default: all of the split)"
    )
    parser.add_argument("--baselines", action="store_true", help="also copying and nearest neighbour")
    parser.add_argument(
        "--protocol",
        choices=("pairs", "mp100"),
        default="pairs",
        help="pairs: equally many seeded pairs a category, mean over pairs, then categories; "
        "mp100: the released episodes, mean over images" + default,
    )
    parser.add_argument("--pairs", type=int, default=24, help="of a category" + default)
    parser.add_argument("--episodes", type=int, default=200, help="of a category, mp100" + default)
    parser.add_argument("--queries", type=int, default=15, help="of an episode, mp100" + default)
    parser.add_argument("--seed", type=int, help="(default: 0 for pairs, 1 for mp100 as published)")
    parser.add_argument("--keypoints", type=int, default=70, help="K of a released checkpoint" + default)
    parser.add_argument("--device", default="cpu", help="of a checkpoint: cpu, cuda" + default)
    parser.add_argument("--backend", default="auto", help="of a bundle" + default)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    return parser


def _ids(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected category ids as 1,2,3, got {text!r}") from None


if __name__ == "__main__":
    raise SystemExit(main())
