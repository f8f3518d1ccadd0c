# SPDX-License-Identifier: Apache-2.0
"""`fmmp-figures`: the paper's figures 3 (padding), 4 (methods) and 5 (attention)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fmmp_runtime.cli.arguments import add_links_from, add_out, as_now, new_parser, positive
from fmmp_runtime.cli.command import command

if TYPE_CHECKING:
    from fmmp_runtime.media.image import Image
    from fmmp_train.evaluation.evaluate import Predict
    from fmmp_train.evaluation.pairs import Pair


_LISTS = {"--categories": ",", "--counts": ","}  # and what once stood between their values


@command("fmmp-figures", extra="train")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = _parser()
    args = parser.parse_args(as_now(argv, "fmmp-figures", lists=_LISTS))
    if args.figure == "methods" and not args.models and not args.baselines:
        parser.error("nothing to compare: give a MODEL, or --baselines, or both")

    # Imports OpenCV: after parsing, so that --help is instant.
    from fmmp_runtime.media.image import write_image
    from fmmp_train.data import read_split
    from fmmp_train.figures.crops import choose_pairs

    dataset = read_split(args.data, args.split, links_from=args.links_from)
    pairs = choose_pairs(dataset, args.categories, args.rows, args.seed)
    figure = {"padding": _padding, "methods": _methods, "attention": _attention}[args.figure]
    picture = figure(args, pairs)
    write_image(args.out, picture)
    print(f"{args.out}: {picture.shape[1]} x {picture.shape[0]} pixels, {len(pairs)} pairs")
    return 0


def _padding(args: argparse.Namespace, pairs: list[Pair]) -> Image:
    from fmmp_train.figures.padding import padding_figure

    return padding_figure(pairs, args.counts, args.method, args.seed)


def _methods(args: argparse.Namespace, pairs: list[Pair]) -> Image:
    from fmmp_train.evaluation.baselines import copy_support, nearest_neighbours
    from fmmp_train.evaluation.evaluate import on_crops
    from fmmp_train.evaluation.predictors import open_predictor
    from fmmp_train.figures.methods import methods_figure

    methods: dict[str, Predict] = {}
    if args.baselines:
        methods["copy"] = on_crops(copy_support)
        methods |= {name: on_crops(method.locate) for name, method in nearest_neighbours().items()}
    for model in args.models:
        methods[model.stem] = open_predictor(model, backend=args.backend, max_keypoints=args.keypoints)
    return methods_figure(pairs, methods)


def _attention(args: argparse.Namespace, pairs: list[Pair]) -> Image:
    from fmmp_train.checkpoint.files import load_network
    from fmmp_train.figures.attention import attention_figure

    return attention_figure(load_network(args.model, max_keypoints=args.keypoints), pairs, args.keypoint)


def _parser() -> argparse.ArgumentParser:
    default = " (default: %(default)s)"
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--data", type=Path, required=True, metavar="DIR", help="with annotations/, images/")
    shared.add_argument("--split", default="val", help="annotations/<split>.json" + default)
    shared.add_argument("--categories", type=int, nargs="+", default=(), metavar="ID", help="only these")
    shared.add_argument("--rows", type=int, default=4, help="pairs, one of each category" + default)
    shared.add_argument("--seed", type=int, default=0, help="of the pairs" + default)
    add_links_from(shared)
    add_out(shared, required=True, metavar="FILE", help=".png or .jpg")
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--keypoints", type=int, help="K of a released checkpoint (default: its authors')")
    parser = new_parser("fmmp-figures", "Pictures of what a model does.")
    figures = parser.add_subparsers(dest="figure", required=True)
    padding = figures.add_parser("padding", parents=[shared], help="keypoints before and after padding")
    padding.add_argument(
        "--counts", type=positive, nargs="+", default=(35, 70), metavar="K", help="(default: 35 70)"
    )
    padding.add_argument("--method", choices=("uniform", "mixup"), default="uniform", help=default)
    methods = figures.add_parser("methods", parents=[shared, model], help="answers side by side, with errors")
    methods.add_argument("models", type=Path, nargs="*", metavar="MODEL", help="checkpoints and bundles")
    methods.add_argument("--baselines", action="store_true", help="also copying and nearest neighbour")
    methods.add_argument("--backend", default="auto", help="of a bundle" + default)
    attention = figures.add_parser("attention", parents=[shared, model], help="where the attention reads")
    attention.add_argument("model", type=Path, metavar="MODEL", help="checkpoint")
    attention.add_argument("--keypoint", type=int, help="index (default: the one with the most links)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
