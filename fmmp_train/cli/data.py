# SPDX-License-Identifier: Apache-2.0
"""`fmmp-data`: make a synthetic data set, paint images, check folders, print episodes, draw annotations."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from fmmp_runtime.cli.arguments import add_links_from, add_out, as_now, new_parser, positive
from fmmp_runtime.cli.command import command

SPLITS = ("train", "val", "test")
_LINES_SHOWN = 8
_LISTS = {"--splits": "/", "--shots": ","}  # and what once stood between their values


@command("fmmp-data", extra="train")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = as_now(argv, "fmmp-data", renamed={"--output": "--out"}, lists=_LISTS)
    args = _parser().parse_args(words)
    return _COMMANDS[args.command](args)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("fmmp-data", "Data in the layout of MP-100.")
    commands = parser.add_subparsers(dest="command", required=True)
    new = commands.add_parser("synthetic", help="invent categories and write pictures of them")
    add_out(new, required=True, metavar="DIR", help="gets annotations/ and images/")
    new.add_argument("--categories", type=positive, default=20, help="(default: %(default)s)")
    new.add_argument("--instances", type=positive, default=20, help="pictures of each (default: %(default)s)")
    new.add_argument("--seed", type=_whole, default=0, help="(default: %(default)s)")
    new.add_argument("--split", default="train", help="name of the annotation file (default: %(default)s)")
    new.add_argument(
        "--splits",
        type=positive,
        nargs=len(SPLITS),
        metavar="N",
        help="write train, val and test instead, of so many categories each; none is in two of them",
    )
    paint = commands.add_parser("paint", help="paint images to fit annotations")
    paint.add_argument("file", type=Path, help="annotation file")
    add_out(paint, required=True, metavar="DIR", help="gets annotations/ and images/")
    paint.add_argument(
        "--episodes",
        type=positive,
        help="a category, whose images alone are painted (default: all images)",
    )
    paint.add_argument("--queries", type=positive, default=15, help="of an episode (default: %(default)s)")
    paint.add_argument(
        "--shots",
        type=positive,
        nargs="+",
        default=(1, 5),
        metavar="N",
        help="of the episodes (default: 1 5)",
    )
    check = commands.add_parser("check", help="say what a data folder holds and what is missing")
    check.add_argument("folder", type=Path, help="with annotations/*.json and images/")
    draw = commands.add_parser("episodes", help="print the evaluation episodes of an annotation file as JSON")
    draw.add_argument("file", type=Path)
    draw.add_argument("--shots", type=positive, default=1, help="(default: %(default)s)")
    draw.add_argument("--queries", type=positive, default=15, help="of an episode (default: %(default)s)")
    draw.add_argument("--episodes", type=positive, default=200, help="a category (default: %(default)s)")
    draw.add_argument(
        "--seed", type=_whole, default=1, help="1 gives the published ones (default: %(default)s)"
    )
    add_out(draw, metavar="FILE", help="write them here instead")
    show = commands.add_parser("show", help="draw an annotation with names and numbers")
    show.add_argument("file", help="as for fmmp-run; with #ID behind its name if it has several annotations")
    show.add_argument("--image", type=Path, help="(default: the one that the annotation names)")
    add_out(show, required=True, metavar="FILE", help="picture to write")
    for each in (paint, check, draw, show):
        add_links_from(each)
    return parser


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {value}")
    return value


def _synthetic(args: argparse.Namespace) -> int:
    from fmmp_train.data.coco import read_annotations
    from fmmp_train.data.tools.write import write_synthetic
    from fmmp_train.terminal import show_bar

    sizes = (
        {args.split: args.categories} if args.splits is None else dict(zip(SPLITS, args.splits, strict=True))
    )
    first = 0
    for split, categories in sizes.items():
        with show_bar(f"categories of {split}", categories) as show:
            file = write_synthetic(
                args.out,
                categories=categories,
                instances=args.instances,
                seed=args.seed,
                split=split,
                first=first,
                progress=show,
            )
        first += categories
        dataset = read_annotations(file)
        counts = [category.num_keypoints for category in dataset.categories.values()]
        print(
            f"{file}: {len(counts)} categories of {min(counts)} to {max(counts)} keypoints, "
            f"{len(dataset.instances)} pictures"
        )
    return 0


def _paint(args: argparse.Namespace) -> int:
    from fmmp_train.data.coco import read_annotations
    from fmmp_train.data.episodes import draw_episodes
    from fmmp_train.data.tools.depict import paint_images
    from fmmp_train.terminal import show_bar

    wanted: set[int] | None = None
    if args.episodes is not None:
        dataset = read_annotations(args.file, links_from=args.links_from)
        wanted = set()
        for shots in args.shots:
            drawn = draw_episodes(dataset, shots=shots, queries=args.queries, episodes=args.episodes)
            wanted |= {number for episode in drawn for number in (*episode.support, *episode.queries)}
    with show_bar("images") as show:
        painted, needed = paint_images(
            args.file,
            args.out,
            wanted=wanted,
            progress=show,
            links_from=args.links_from,
        )
    print(f"{args.out}: {painted} images painted, {needed - painted} were there; no photographs")
    return 0


def _check(args: argparse.Namespace) -> int:
    from fmmp_train.data.tools.check import check_folder
    from fmmp_train.data.tools.inventory import is_mp100, split_states, take_inventory
    from fmmp_train.data.tools.inventory_tables import print_files, print_inventory
    from fmmp_train.terminal import show_bar

    with show_bar("images") as show:
        reports, broken = check_folder(args.folder, show, links_from=args.links_from)
    print_files(reports)
    if is_mp100(reports):
        print_inventory(take_inventory(reports, broken), split_states(reports))
    for report in reports:
        lines = [f"missing: {path}" for path in report.missing[:_LINES_SHOWN]]
        lines += report.faults[:_LINES_SHOWN]
        lines += [f"{report.file.name}: {remark}" for remark in report.remarks[:_LINES_SHOWN]]
        print(*lines, sep="\n", end="\n" if lines else "", file=sys.stderr)
    if all(report.sound for report in reports):
        print(f"{args.folder}: complete")
        return 0
    missing, faults = (sum(len(getattr(r, name)) for r in reports) for name in ("missing", "faults"))
    raise ValueError(f"{args.folder}: {missing} images missing, {faults} faults: see above")


def _episodes(args: argparse.Namespace) -> int:
    from fmmp_runtime.files import write_atomically
    from fmmp_train.data.coco import read_annotations
    from fmmp_train.data.episodes import draw_episodes

    dataset = read_annotations(args.file, links_from=args.links_from)
    drawn = draw_episodes(
        dataset, shots=args.shots, queries=args.queries, episodes=args.episodes, seed=args.seed
    )
    content = {
        "annotation": args.file.name,
        "seed": args.seed,
        "shots": args.shots,
        "queries": args.queries,
        "episodes": args.episodes,
        "order": list(dataset.categories),
        "drawn": [
            {"category": e.category_id, "support": list(e.support), "queries": list(e.queries)} for e in drawn
        ],
    }
    text = json.dumps(content)
    if args.out is None:
        print(text)
        return 0
    write_atomically(args.out, f"{text}\n".encode())
    print(f"{args.out}: {len(drawn)} episodes of {len(dataset.categories)} categories")
    return 0


def _draw(args: argparse.Namespace) -> int:
    from fmmp_runtime.media.image import write_image
    from fmmp_train.data.tools.show import show_annotation

    shown = show_annotation(args.file, args.image, links_from=args.links_from)
    write_image(args.out, shown.picture)
    for remark in shown.remarks:
        sys.stderr.write(f"fmmp-data: {remark}\n")
    print(*shown.rows, f"{args.out}: {len(shown.rows)} keypoints", sep="\n")
    return 0


_COMMANDS = {"synthetic": _synthetic, "paint": _paint, "check": _check, "episodes": _episodes, "show": _draw}

if __name__ == "__main__":
    raise SystemExit(main())
