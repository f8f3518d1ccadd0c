# SPDX-License-Identifier: Apache-2.0
"""`fmmp-train`: train a network, or continue a run."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fmmp_runtime.cli.command import command

if TYPE_CHECKING:
    from fmmp_train.training.inputs import Locations
    from fmmp_train.training.presets import TrainConfig

_MUCH_WAITING = 0.05  # share of the time


@command("fmmp-train", extra="train")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 only for a finished run."""
    parser = _parser()
    args = parser.parse_args(argv)
    if (args.resume is None) == (args.preset is None):
        parser.error("give --preset for a new run, or --resume RUN to continue one")
    if args.resume is None and args.output is None:
        parser.error("a new run needs a folder: --output RUN")
    if args.resume is None and args.changed_data:
        parser.error("--changed-data is for a run that goes on: give --resume RUN")
    recipe = ("steps", "batch_size", "seed", "settings", "init", "backbone_weights", "split", "val_split")
    if args.resume is not None and any(getattr(args, name) not in (None, []) for name in ("output", *recipe)):
        parser.error("a resumed run keeps its recipe and its folder: leave out what would change them")

    from fmmp_train.processes import join_processes  # imports torch: after parsing, so that --help is instant
    from fmmp_train.progress import show_progress, speed_line
    from fmmp_train.training.train import BEST_FILE, MODEL_FILE, resume, start

    device = None if args.device == "auto" else args.device
    out: Path = args.resume or args.output
    try:
        with join_processes(args.device) as processes, show_progress(is_shown=processes.leads) as on_progress:
            logging.basicConfig(
                level=logging.INFO if processes.leads else logging.WARNING, format="%(message)s"
            )
            if args.resume is not None:
                outcome = resume(
                    out,
                    data=args.data,
                    photos=args.photos,
                    changed_data=args.changed_data,
                    device=device,
                    workers=args.workers,
                    on_progress=on_progress,
                )
            else:
                config, locations = _recipe(args), _locations(args)
                outcome = start(
                    config, locations, out, device=device, workers=args.workers, on_progress=on_progress
                )
    except (OSError, ValueError) as error:
        parser.exit(1, f"fmmp-train: {_message(error)}\n")
    if not processes.leads:
        return 0 if outcome.is_finished else 1
    if outcome.speed is not None:
        hint = ": more --workers may help" if outcome.speed.waiting > _MUCH_WAITING else ""
        print(f"{speed_line(outcome.speed)}{hint}")
    if not outcome.is_finished:
        done = f"stopped after step {outcome.step} of {outcome.steps}, nothing is lost"
        parser.exit(1, f"fmmp-train: {done}: go on with fmmp-train --resume {out}\n")
    print(f"{out / MODEL_FILE}: {outcome.steps} steps")
    if (out / BEST_FILE).exists():
        print(f"{out / BEST_FILE}: best mPCK on validation")
    return 0


def _message(error: Exception) -> str:
    """One line; of an error in a worker process, which comes as its traceback, the last without the class."""
    line = str(error).strip().splitlines()[-1]
    return re.sub(r"^[\w.]+Error: ", "", line) if str(error).startswith("Caught ") else line


def _recipe(args: argparse.Namespace) -> TrainConfig:
    """The preset or JSON file, with the changes of the command line."""
    from fmmp_runtime.settings import from_json
    from fmmp_train.training.config import override
    from fmmp_train.training.presets import PRESETS, TrainConfig

    if args.preset in PRESETS:
        config = PRESETS[args.preset]()
    elif Path(args.preset).is_file():
        config = from_json(TrainConfig, Path(args.preset).read_text(encoding="utf-8"))
    else:
        raise ValueError(f"no preset {args.preset!r}, and no such file; presets: {', '.join(PRESETS)}")
    settings = [
        f"{name}={getattr(args, name)}" for name in ("batch_size", "seed") if getattr(args, name) is not None
    ]
    if args.steps is not None:
        settings += [f"steps={args.steps}", "epochs=null"]
    if args.backbone_weights is not None:
        settings.append("backbone_weights=file")
    return override(config, [*settings, *args.settings])


def _locations(args: argparse.Namespace) -> Locations:
    from fmmp_train.training.inputs import Locations

    return Locations(
        data=args.data,
        split=args.split or "train",
        val_split=args.val_split,
        photos=tuple(args.photos),
        backbone=args.backbone_weights,
        init=args.init,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fmmp-train",
        description="Train a network by a recipe, or continue an interrupted run with --resume.",
        epilog="Several GPUs: torchrun --nproc-per-node N -m fmmp_train.cli.train ...",
    )
    recipe = parser.add_argument_group("recipe of a new run")
    recipe.add_argument(
        "--preset",
        help="released, demo, a version of the paper's tables such as table4-alllink, or a JSON file with a "
        "recipe; a wrong name lists them all",
    )
    recipe.add_argument(
        "--set",
        dest="settings",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="change a field of the recipe, such as optimizer.lr=3e-4; may be given several times",
    )
    recipe.add_argument("--steps", type=int, help="short for --set steps=N --set epochs=null")
    recipe.add_argument("--batch-size", type=int, help="pairs of a step, over all processes")
    recipe.add_argument("--seed", type=int, help="of the weights and the data")
    recipe.add_argument("--init", metavar="CHECKPOINT", help="start from these weights, with their network")
    recipe.add_argument("--backbone-weights", metavar="FILE", help="ImageNet weights of the backbone")
    files = parser.add_argument_group("files")
    files.add_argument("-o", "--output", type=Path, metavar="RUN", help="new folder of the run")
    files.add_argument("--resume", type=Path, metavar="RUN", help="folder of the run to continue")
    files.add_argument("--data", metavar="DIR", help="folder with annotations/<split>.json and images/")
    files.add_argument("--split", help="to learn from, of MP-100 such as split1_train (default: train)")
    files.add_argument("--val-split", help="to measure PCK on (default: val, where there is one)")
    files.add_argument(
        "--photos",
        metavar="DIR",
        action="append",
        default=[],
        help="photographs for self-pairs, may be given several times (default: scikit-image's)",
    )
    files.add_argument(
        "--changed-data", action="store_true", help="resume although files have changed since the start"
    )
    parser.add_argument("--device", choices=("auto", "cpu"), default="auto", help="(default: %(default)s)")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that make examples; 0, the training itself makes them (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
