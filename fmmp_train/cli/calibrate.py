# SPDX-License-Identifier: Apache-2.0
"""`python -m fmmp_train.cli.calibrate`: make the score of a checkpoint honest, in place."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fmmp_runtime.cli.arguments import (
    add_device,
    add_json,
    add_links_from,
    check_places,
    new_parser,
    positive,
)
from fmmp_runtime.cli.command import command


@command("calibrate", extra="train")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    args = _parser().parse_args(argv)
    check_places(args.json, args.picture)
    # Imports torch: after parsing, so that --help is instant.
    from fmmp_runtime.files import write_json
    from fmmp_runtime.pose import CORRECT_WITHIN
    from fmmp_train.calibration.calibrate import calibrate_file, draw
    from fmmp_train.data import read_split
    from fmmp_train.evaluation.pairs import draw_pairs
    from fmmp_train.processes import choose_device

    datasets = [read_split(folder, args.split, links_from=args.links_from) for folder in args.data]
    pairs = [
        pair
        for dataset in datasets
        for pair in draw_pairs(dataset, per_category=args.pairs, categories=args.categories)
    ]
    device = choose_device(args.device)
    result = calibrate_file(args.model, pairs, synthetic=args.synthetic, scenes=args.scenes, device=device)
    if args.picture is not None:
        draw(result, args.picture)
    if args.json is not None:
        write_json(args.json, asdict(result))
    within = f"error below {CORRECT_WITHIN:g} of the longer box side"
    print(f"{result.right:.1%} of the keypoints are right ({within}); on {device}, {len(pairs)} pairs")
    errors = f"{result.before:.3f} before, {result.after:.3f} after, {result.held_out:.3f} held out"
    print(f"expected calibration error: {errors}")
    if result.presence is not None:
        found = f"AUROC {result.presence.auroc:.3f}, expected calibration error {result.presence.error:.3f}"
        print(f"presence, held out, of {result.presence.windows} windows: {found}")
    for part in result.reliability:
        print(f"score {part.score:.2f}: {part.right:.2f} right ({part.weight:.1%} of the keypoints)")
    return 0


def _parser() -> argparse.ArgumentParser:
    default = " (default: %(default)s)"
    parser = new_parser("python -m fmmp_train.cli.calibrate", "Calibrate a checkpoint's score, in place.")
    parser.add_argument("model", type=Path, metavar="MODEL", help=".safetensors checkpoint")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="extend",
        nargs="+",
        metavar="DIR",
        help="folders with annotations/ and images/",
    )
    parser.add_argument("--split", default="val", help="of every folder" + default)
    add_links_from(parser)
    parser.add_argument("--pairs", type=positive, default=24, help="of a category" + default)
    parser.add_argument(
        "--synthetic", type=int, default=100, help="categories that are drawn beside them" + default
    )
    parser.add_argument(
        "--scenes",
        type=int,
        default=60,
        help="synthetic categories to look for in whole frames, for the presence of an FMMP network; "
        "0 leaves it alone" + default,
    )
    parser.add_argument(
        "--categories", type=int, nargs="+", metavar="ID", help="of the split, only these (default: all)"
    )
    add_device(parser, help="to ask the network on")
    add_json(parser, help="write the errors and the reliability")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw the reliability before and after, .png"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
