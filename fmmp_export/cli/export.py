# SPDX-License-Identifier: Apache-2.0
"""`fmmp-export`: checkpoint to bundle."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fmmp_runtime.bundle import signature
from fmmp_runtime.cli.arguments import add_links_from, add_out, add_overwrite, new_parser, positive
from fmmp_runtime.cli.command import command

if TYPE_CHECKING:
    from fmmp_export.graph.operator import Msda
    from fmmp_runtime.bundle.specs import Precision, Target


@command("fmmp-export", extra="export")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.arch and args.backend == "onnx":
        parser.error("--arch is for engines: say --backend tensorrt or tensorrt-rtx too")
    if args.bundle and args.backend == "onnx" and args.sign is None:
        parser.error("--bundle adds engines: say --backend tensorrt or tensorrt-rtx too; or --sign")
    if args.target == "cpu" and (args.backend != "onnx" or args.msda not in (None, "fmmp")):
        parser.error("--target cpu is for our operator in ONNX Runtime: leave out --backend and --msda")
    if args.bundle and (
        args.precision != "fp32"
        or any((args.keypoints, args.out, args.data, args.target, args.batch, args.shots, args.msda))
    ):
        parser.error("--bundle adds engines to what was exported: beside it, only --backend and --arch count")
    _check_free(args)
    key = None if args.sign is None else signature.read_private(args.sign)  # before minutes of work
    from fmmp_train.terminal import show_steps  # needs rich, of the extra

    with show_steps("fmmp_export"):
        lines = _made(args)
    if key is not None:
        bundle = args.bundle or _out(args)
        signature.sign(bundle, key)
        lines.append(f"{bundle}: signed with {args.sign}")
    print("\n".join(lines))
    return 0


def _made(args: argparse.Namespace) -> list[str]:
    """Make what is asked for; returns what there is to say of it."""
    if args.backend != "onnx":
        return _export_engines(args)
    return [] if args.bundle else _export(args)[1]  # a bundle that is only to be signed


def _out(args: argparse.Namespace) -> Path:
    out: Path = args.out or Path(f"{args.ckpt.stem}-{args.precision}")
    return out


def _check_free(args: argparse.Namespace) -> None:
    """Refuse to replace a bundle unasked, before minutes of work.

    Raises:
        FileExistsError: there is one.
    """
    if not (args.bundle or args.overwrite) and (_out(args) / "model.json").exists():
        raise FileExistsError(f"{_out(args)} is a bundle already: choose another --out, or say --overwrite")


def _export_engines(args: argparse.Namespace) -> list[str]:
    from fmmp_export.engines.engine import add_engines, find_builder

    builder = find_builder(args.backend, args.arch)  # first: an export takes minutes, to miss a package none
    path, lines = (args.bundle, []) if args.bundle else _export(args)
    return lines + [
        f"{made.path}: {made.path.stat().st_size / 1e6:.0f} MB, "
        + ("there already" if made.seconds is None else f"built in {made.seconds:.0f} s")
        for made in add_engines(path, builder)
    ]


def _export(args: argparse.Namespace) -> tuple[Path, list[str]]:
    """Make a bundle; returns it, and what there is to say of it."""
    from fmmp_export.export import export_bundle  # imports torch: after parsing, so that --help is instant
    from fmmp_runtime.parity import Share

    precision: Precision = args.precision
    msda: Msda = args.msda or "fmmp"
    on_cpu = precision != "fp16" and args.backend == "onnx" and msda == "fmmp"
    target: Target = args.target or ("cpu" if on_cpu else "gpu")
    made = export_bundle(
        args.ckpt,
        _out(args),
        precision=precision,
        shots=args.shots or 1,
        keypoints=args.keypoints,
        target=target,
        batches=sorted({*args.batch} - {1}),
        msda=msda,
        data=args.data,
        links_from=args.links_from,
    )
    return made.path, [
        f"{made.path}: {made.model.precision} for a {made.model.target.upper()}, "
        f"{made.model.shots} shot(s), K={made.model.keypoints}, "
        f"{made.num_nodes['query']} nodes a frame, made in {made.seconds:.0f} s\n"
        f"  {backend} against torch: max {parity['max_px']:.2g} px, p99 {parity['p99_px']:.2g} px, "
        f"{Share(torch=parity['pck_torch'], bundle=parity['pck_bundle'], pairs=parity['pairs'])}"
        for backend, parity in made.model.parity.items()
    ]


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        "fmmp-export", "Write a checkpoint as a bundle of static ONNX graphs, after comparing it with torch."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--ckpt", type=Path, help="released .pth, or ours (.safetensors)")
    source.add_argument("--bundle", type=Path, help="instead: a bundle to add engines to")
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        "--fp16",
        dest="precision",
        action="store_const",
        const="fp16",
        default="fp32",
        help="half precision where it is safe (default: float32)",
    )
    precision.add_argument(
        "--int8",
        dest="precision",
        action="store_const",
        const="int8",
        help="the backbone in 8 bits: faster and less exact; the rest in float32, or in half for a GPU",
    )
    parser.add_argument("--shots", type=positive, help="support images (default: 1)")
    parser.add_argument("--keypoints", type=positive, help="K after padding (default: as trained)")
    parser.add_argument(
        "--target",
        choices=("cpu", "gpu"),
        help="what the arithmetic is ordered for (default: gpu with --fp16, engines or --msda, else cpu)",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        nargs="+",
        default=[],
        metavar="N",
        help="also graphs that take N frames at once",
    )
    add_out(parser, metavar="DIR", help="folder to make (default: CKPT-fp32, -fp16 or -int8, here)")
    add_overwrite(parser, help="replace a bundle that is there, once the new one has passed")
    parser.add_argument(
        "--backend",
        choices=("onnx", "tensorrt", "tensorrt-rtx"),
        default="onnx",
        help="onnx (default): no engines; tensorrt: engines for the GPU of this machine; "
        "tensorrt-rtx: engines for any of its GPUs, built without one",
    )
    parser.add_argument(
        "--arch",
        type=_arch,
        nargs="+",
        default=[],
        metavar="sm86",
        help="GPUs to build engines for (default: that of this machine)",
    )
    parser.add_argument(
        "--msda",
        choices=("fmmp", "nvidia", "standard"),
        help="deformable attention as our operator (default), as NVIDIA's plugin, or in standard operators",
    )
    parser.add_argument(
        "--data", type=Path, help="MP-100-style folder to compare on (default: a few photographs)"
    )
    add_links_from(parser)
    parser.add_argument(
        "--sign",
        type=Path,
        metavar="KEY",
        help="Ed25519 private key (PEM) to sign with, for fmmp-run --verify; also of a --bundle as it is",
    )
    return parser


def _arch(text: str) -> str:
    if not re.fullmatch(r"sm_?\d{2,3}", text):
        raise argparse.ArgumentTypeError(f"expected a GPU architecture such as sm86, got {text!r}")
    return text.replace("_", "")


if __name__ == "__main__":
    raise SystemExit(main())
