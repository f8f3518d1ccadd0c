# SPDX-License-Identifier: Apache-2.0
"""`python -m fmmp_train.cli.reproduce`: every version of the paper's Tables 3 and 4, trained and compared."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from fmmp_runtime.cli.arguments import (
    add_device,
    add_json,
    add_links_from,
    add_out,
    as_now,
    check_places,
    new_parser,
    positive,
)
from fmmp_runtime.cli.command import command, say

_LISTS = {"--splits": ","}  # and what once stood between its values


@command("reproduce", extra="train")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when all trials are there, 128 + n where signal n stopped it."""
    parser = _parser()
    args = parser.parse_args(as_now(argv, "reproduce", lists=_LISTS))
    check_places(args.json)
    # Imports torch: after parsing, so that --help is instant.
    from fmmp_runtime.files import write_atomically, write_json
    from fmmp_train.data import read_split
    from fmmp_train.evaluation.report.paper import VERSIONS
    from fmmp_train.processes import choose_device
    from fmmp_train.reproduction.ablation import markdown
    from fmmp_train.reproduction.reproduce import StoppedError, reproduce
    from fmmp_train.training.config import override
    from fmmp_train.training.inputs import Locations
    from fmmp_train.training.presets import PRESETS

    if unknown := [name for name in args.versions if name not in VERSIONS]:
        parser.error(f"no version {unknown[0]!r}; there are {', '.join(VERSIONS)}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    weights = ["backbone_weights=file"] if args.backbone_weights is not None else []
    base = override(PRESETS[args.preset](), [*weights, *args.settings])
    train, val, test = args.splits
    locations = Locations(
        data=str(args.data),
        split=train,
        val_split=val,
        backbone=args.backbone_weights,
        links_from=args.links_from,
    )
    tested = read_split(
        args.data, test, links_from=args.links_from
    )  # first: a wrong name shall not be found after days of training
    device = "cpu" if choose_device(args.device) == "cpu" else None  # accelerate finds out which GPU
    versions = args.versions or tuple(VERSIONS)
    try:
        trials = reproduce(base, locations, tested, args.out, range(args.seeds), versions, device)
    except StoppedError as stopped:
        say("reproduce", str(stopped))
        return 128 + stopped.signal if stopped.signal else 1
    text = markdown(trials)
    write_atomically(args.out / "tables.md", text.encode())
    if args.json is not None:
        write_json(args.json, [asdict(trial) for trial in trials])
    print(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        "python -m fmmp_train.cli.reproduce",
        "Train and evaluate every version of the network in the paper's Tables 3 and 4.",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="with annotations/, images/")
    parser.add_argument(
        "--splits",
        nargs=3,
        default=("train", "val", "test"),
        metavar=("TRAIN", "VAL", "TEST"),
        help="of MP-100 such as split1_train split1_val split1_test (default: train val test)",
    )
    add_links_from(parser)
    parser.add_argument("--backbone-weights", metavar="FILE", help="ImageNet weights of the backbone")
    add_out(parser, required=True, metavar="DIR", help="of the runs and their results; goes on there")
    parser.add_argument(
        "--preset", choices=("small", "released"), default="small", help="(default: %(default)s)"
    )
    parser.add_argument("--versions", nargs="+", default=[], metavar="NAME", help="(default: all)")
    parser.add_argument("--seeds", type=positive, default=3, help="how many (default: %(default)s)")
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="FIELD=VALUE",
        action="extend",
        nargs="+",
        default=[],
        help="change fields of the recipe in all versions",
    )
    add_device(parser, help="to train and to evaluate on")
    add_json(parser, help="write every trial")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
