# SPDX-License-Identifier: Apache-2.0
"""`fmmp-run`: from an annotated example to poses in images, videos or a camera, as pictures and JSON."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fmmp_runtime.cli.arguments import (
    add_links_from,
    add_out,
    add_overwrite,
    check_places,
    new_parser,
    positive,
    share,
)
from fmmp_runtime.cli.command import command, say
from fmmp_runtime.media import UNSURE

STDOUT = Path("-")
Box = Literal["find", "whole"] | tuple[float, float, float, float]


@command("fmmp-run")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0 done, 1 something that the user can mend."""
    parser = _parser()
    args = parser.parse_args(argv)
    _check_together(parser, args)
    # Imports OpenCV and ONNX Runtime: after parsing, so that --help is instant.
    from fmmp_runtime.cli.run_job import Job, run

    job = Job(
        bundle=args.bundle,
        supports=args.support,
        annotations=args.annotation * (len(args.support) if len(args.annotation) == 1 else 1),
        links_from=args.links_from,
        most_pixels=args.megapixels * 1_000_000,
        state=args.state,
        save_state=args.save_state,
        queries=args.query,
        folder=args.out,
        overwrite=args.overwrite,
        box=_box(parser, args.box),
        most=args.most,
        presence=args.presence,
        frames=args.frames,
        backend=args.backend,
        threads=args.threads,
        verify=args.verify,
        json=args.json,
        names=args.names,
        threshold=args.threshold,
    )
    if args.json != STDOUT:
        check_places(args.json)
    failures = run(job)
    for failure in failures:
        say("fmmp-run", failure)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    from fmmp_runtime.backends import NAMES
    from fmmp_runtime.pose.answer import PRESENT_FROM

    parser = new_parser(
        "fmmp-run",
        "Find the keypoints of an annotated example in other images. Writes a picture and a JSON "
        "file for each query, and a sheet of all; results go to stdout, progress to stderr.",
        epilog='An annotation is {"keypoints": [[x, y] or [x, y, v], ...], "links": [[i, j], ...], "box": '
        '[x, y, w, h], "names": [...]}, in pixels, where only keypoints must be there; or a COCO or MP-100 '
        "file, or one of LabelMe, Label Studio, CVAT, YOLO-pose or DeepLabCut, with #ID behind its name if "
        "the image has several annotations.",
    )
    parser.add_argument("bundle", type=Path, help="folder that fmmp-export wrote")
    parser.add_argument(
        "--support", type=Path, nargs="+", default=[], metavar="IMAGE", help="annotated example"
    )
    parser.add_argument(
        "--annotation", nargs="+", default=[], metavar="JSON", help="its keypoints; see below"
    )
    add_links_from(parser)
    parser.add_argument(
        "--megapixels",
        type=positive,
        default=100,
        metavar="N",
        help="refuse larger pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="of --save-state, instead of --support and --annotation"
    )
    parser.add_argument(
        "--save-state",
        type=Path,
        metavar="FILE",
        help="write what was learnt from the support, for this bundle; --query may then be left out",
    )
    parser.add_argument(
        "--query", nargs="+", default=[], metavar="FILE", help="images, videos, or a camera as camera:0"
    )
    add_out(parser, metavar="DIR", help="for the results")
    add_overwrite(parser, help="replace results of other queries in --out")
    parser.add_argument(
        "--box",
        nargs="+",
        default=["find"],
        metavar="find|whole|X Y W H",
        help="find the object, take the whole image for it, or say where it is in every query, in pixels "
        "(default: find; whole for a bundle that can't)",
    )
    parser.add_argument(
        "--most", type=positive, default=1, metavar="N", help="objects to find in a query (default: 1)"
    )
    parser.add_argument(
        "--presence",
        type=share,
        default=PRESENT_FROM,
        metavar="P",
        help="how probable it must be that a found object is there (default: %(default)s)",
    )
    parser.add_argument("--names", action="store_true", help="write names beside the keypoints, or numbers")
    parser.add_argument(
        "--threshold",
        type=share,
        default=UNSURE,
        metavar="SCORE",
        help="a lower score is drawn as unsure: hollow, with dashed links (default: %(default)s)",
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="stop a video or camera after N frames")
    parser.add_argument("--backend", default="auto", choices=("auto", *NAMES), help="(default: %(default)s)")
    parser.add_argument("--threads", type=positive, metavar="N", help="of a run (default: all cores)")
    parser.add_argument(
        "--verify", type=Path, metavar="KEY", help="public key of whoever must have signed the bundle"
    )
    parser.add_argument(
        "--json",
        type=Path,
        nargs="?",
        const=STDOUT,
        metavar="FILE",
        help="write the results as JSON, one line a query; without FILE, or with -, to stdout",
    )
    return parser


def _box(parser: argparse.ArgumentParser, words: list[str]) -> Box:
    """What --box says; leaves with exit code 2 where that is none of the three."""
    if words in (["find"], ["whole"]):
        return "find" if words == ["find"] else "whole"
    try:
        x, y, width, height = map(float, words)
    except ValueError:
        parser.error(f"--box takes find, whole, or four numbers X Y W H, got {' '.join(words)}")
    return x, y, width, height


def _check_together(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Leave with exit code 2 where options are missing or contradict each other."""
    if args.state is not None:
        for option, value in (
            ("--support", args.support),
            ("--annotation", args.annotation),
            ("--save-state", args.save_state),
        ):
            if value:
                parser.error(f"{option} does not go with --state, which has it all")
    wanted = {} if args.state is not None else {"--support": args.support, "--annotation": args.annotation}
    if args.save_state is None or args.query or args.out is not None:
        wanted |= {"--query": args.query, "--out": args.out}
    if missing := [option for option, value in wanted.items() if not value]:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    if args.support and len(args.annotation) not in (1, len(args.support)):
        parser.error(f"give one --annotation for all supports or one each: {len(args.support)} supports")


if __name__ == "__main__":
    sys.exit(main())
