# SPDX-License-Identifier: Apache-2.0
"""`fmmp-parity`: a checkpoint in torch beside the bundles that were made of it."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fmmp_runtime.cli.arguments import add_json, add_links_from, check_places, new_parser
from fmmp_runtime.cli.command import command

if TYPE_CHECKING:
    from fmmp_export.parity.compare import BundleParity, GraphTensors

WORST = 5  # keypoints that are named


@command("fmmp-parity", extra="export")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 where all give what the checkpoint gives, else 1."""
    args = _parser().parse_args(argv)
    check_places(args.json)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    from fmmp_export.parity.compare import compare_bundle  # imports torch: after parsing
    from fmmp_runtime.files import write_json

    found = []
    for bundle in args.bundle:
        found.append(
            compare_bundle(
                args.ckpt, bundle, backends=args.backend, data=args.data, links_from=args.links_from
            )
        )
        _print(found[-1])
    if args.json:
        write_json(args.json, [asdict(each) | {"passed": each.passed} for each in found])
    return int(not all(each.passed for each in found))


def _print(found: BundleParity) -> None:
    from rich.box import SIMPLE
    from rich.table import Table

    from fmmp_runtime.pose import THRESHOLDS
    from fmmp_train.terminal import table_console

    console = table_console()
    for backend in found.backends:
        title = f"{found.bundle}, {found.precision}, on {backend.description}"
        table = Table(title=title, title_justify="left", box=SIMPLE)
        table.add_column("layer")
        for column in ("max px", "p99 px", "mean px", *(f"PCK@{at:g}" for at in THRESHOLDS)):
            table.add_column(column, justify="right")
        for number, layer in enumerate(backend.layers, 1):
            shares = [f"{one:.1f}/{two:.1f}" for one, two in zip(layer.pck, layer.pck_torch, strict=True)]
            distances = [f"{px:.2g}" for px in (layer.max_px, layer.p99_px, layer.mean_px)]
            table.add_row(str(number), *distances, *shares)
        console.print(table)
        worst = sorted(enumerate(backend.keypoint_max_px), key=lambda pair: -pair[1])[:WORST]
        console.print(
            f"PCK is the bundle's/torch's, on {backend.pairs} pairs of images. "
            "Keypoints farthest off in the last layer: "
            + ", ".join(f"{number} ({px:.2g} px)" for number, px in worst)
            + f". Score: at most {backend.score_max:.2g} off.",
            soft_wrap=True,
        )
    for tensors in found.tensors:
        console.print(_tensor_line(tensors), soft_wrap=True)
    for name, reason in found.absent.items():
        console.print(f"{name}: not compared here: {reason}", soft_wrap=True)
    faults = [f"{backend.backend}: {fault}" for backend in found.backends for fault in backend.faults]
    verdict = "\n".join(["FAIL", *faults]) if faults else "PASS: it gives what the checkpoint gives"
    console.print(verdict, soft_wrap=True)


def _tensor_line(found: GraphTensors) -> str:
    line = f"{found.graph} graph in ONNX Runtime, {found.compared} tensors beside torch's: "
    if found.first is None:
        line += "all within their tolerance"
    else:
        line += (
            f"the first that leaves its tolerance is {found.first.name} of {found.first.node}, "
            f"{found.first.error:.2g} off, {found.first.tolerance:g} of its scale is allowed"
        )
    return f"{line}; farthest off is {found.worst.node}, {found.worst.error:.2g}"


def _parser() -> argparse.ArgumentParser:
    from fmmp_runtime.backends import NAMES

    parser = new_parser(
        "fmmp-parity",
        "Compare bundles with their checkpoint in torch: by layer and by keypoint, in "
        "pixels of the crop and in PCK, and tensor by tensor. Ends with 1 where one is beyond its limit.",
    )
    parser.add_argument("--ckpt", type=Path, required=True, help="checkpoint that the bundles were made of")
    parser.add_argument("--bundle", type=Path, nargs="+", required=True, help="folders of fmmp-export")
    parser.add_argument(
        "--backend",
        choices=NAMES,
        nargs="+",
        default=[],
        help="to run (default: ONNX Runtime, and what the bundle has engines for and is here)",
    )
    parser.add_argument(
        "--data", type=Path, help="MP-100-style folder to compare on (default: a few photographs)"
    )
    add_links_from(parser)
    add_json(parser, help="write all numbers")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
