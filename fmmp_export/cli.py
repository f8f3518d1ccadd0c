# SPDX-License-Identifier: Apache-2.0
"""`fmmp-export`: checkpoint to bundle."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

NO_ENGINES = (
    "this version writes ONNX graphs and no {backend} engines: leave out --backend; "
    "trtexec builds an engine from the bundle's pair.onnx"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.backend != "onnx":
        parser.exit(1, f"fmmp-export: {NO_ENGINES.format(backend=args.backend)}\n")
    precision: Literal["fp32", "fp16"] = "fp16" if args.fp16 else "fp32"
    out = args.out or Path(f"{args.ckpt.stem}-{precision}")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("fmmp_export").setLevel(logging.INFO)
    from fmmp_export.export import export_bundle  # imports torch: after parsing, so that --help is instant

    try:
        made = export_bundle(
            args.ckpt,
            out,
            precision=precision,
            shots=args.shots,
            keypoints=args.keypoints,
            msda=args.msda,
            data=args.data,
        )
    except (OSError, ValueError) as error:  # what the user can mend; anything else keeps its traceback
        parser.exit(1, f"fmmp-export: {error}\n")
    for backend, parity in made.model.parity.items():
        print(
            f"{made.path}: {made.model.precision}, {made.model.shots} shot(s), K={made.model.keypoints}, "
            f"{made.num_nodes['pair']} nodes a pair, made in {made.seconds:.0f} s\n"
            f"  {backend} against torch: max {parity['max_px']:.2g} px, p99 {parity['p99_px']:.2g} px, "
            f"PCK@0.05 {parity['pck_bundle']:.1f} against {parity['pck_torch']:.1f}"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fmmp-export",
        description="Write a checkpoint as a bundle of static ONNX graphs, after comparing it with torch.",
    )
    parser.add_argument("--ckpt", type=Path, required=True, help="released .pth, or ours (.safetensors)")
    parser.add_argument(
        "--fp16", action="store_true", help="half precision where it is safe (default: float32)"
    )
    parser.add_argument("--shots", type=_positive, default=1, help="support images (default: %(default)s)")
    parser.add_argument("--keypoints", type=_positive, help="K after padding (default: as trained)")
    parser.add_argument(
        "-o", "--out", type=Path, help="folder to make (default: CKPT-fp32 or CKPT-fp16, here)"
    )
    parser.add_argument("--backend", default="onnx", help="onnx (default)")
    parser.add_argument(
        "--msda",
        choices=("fmmp", "nvidia", "standard"),
        default="fmmp",
        help="deformable attention as our operator (default), as NVIDIA's plugin, or in standard operators",
    )
    parser.add_argument(
        "--data", type=Path, help="MP-100-style folder to compare on (default: a few photographs)"
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number
