# SPDX-License-Identifier: Apache-2.0
"""`fmmp-train`: train a network, or continue a run."""

from __future__ import annotations

import argparse
import json
import logging
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fmmp_runtime.cli.arguments import add_device, add_links_from, add_out, as_now, new_parser
from fmmp_runtime.cli.command import command, say
from fmmp_train.training.variants import PRESETS, VARIANTS

if TYPE_CHECKING:
    from fmmp_train.training.inputs import Locations
    from fmmp_train.training.presets import TrainConfig
    from fmmp_train.training.train import Outcome

_MUCH_WAITING = 0.05  # share of the time


@command("fmmp-train", extra="train")
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 only for a finished run, 128 + n for one that signal n stopped."""
    parser = _parser()
    args = parser.parse_args(as_now(argv, "fmmp-train", renamed={"--output": "--out"}))
    _check_together(parser, args)
    if args.print_recipe:
        print(_recipe_text(args))
        return 0

    # Imports torch: after parsing, so that --help is instant.
    from fmmp_train.processes import choose_device, join_processes
    from fmmp_train.progress import show_progress
    from fmmp_train.training.train import resume, start

    device = None if choose_device(args.device) != "cpu" else "cpu"  # accelerate finds out which GPU
    out: Path = args.resume or args.out
    with join_processes(args.device) as processes, show_progress(is_shown=processes.leads) as on_progress:
        logging.basicConfig(level=logging.INFO if processes.leads else logging.WARNING, format="%(message)s")
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
    if processes.leads:
        _tell(outcome, out)
    return 0 if outcome.is_finished else 128 + outcome.stopped_by if outcome.stopped_by else 1


def _tell(outcome: Outcome, out: Path) -> None:
    """What came of a run."""
    from fmmp_train.progress import speed_line
    from fmmp_train.training.train import BEST_FILE, MODEL_FILE

    if outcome.speed is not None:
        hint = ": more --workers may help" if outcome.speed.waiting > _MUCH_WAITING else ""
        print(f"{speed_line(outcome.speed)}{hint}")
    if not outcome.is_finished:
        done = f"stopped after step {outcome.step} of {outcome.steps}, nothing is lost"
        say("fmmp-train", f"{done}: go on with fmmp-train --resume {out}")
        return
    print(f"{out / MODEL_FILE}: {outcome.steps} steps")
    if (out / BEST_FILE).exists():
        print(f"{out / BEST_FILE}: best mPCK on validation")


def _check_together(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Leave with exit code 2 where options are missing or contradict each other."""
    if (args.resume is None) == (args.preset is None):
        parser.error("give --preset for a new run, or --resume RUN to continue one")
    if args.resume is None and args.out is None and not args.print_recipe:
        parser.error("a new run needs a folder: --out RUN")
    if args.resume is None and args.changed_data:
        parser.error("--changed-data is for a run that goes on: give --resume RUN")
    recipe = (
        "steps",
        "batch_size",
        "seed",
        "settings",
        "init",
        "backbone_weights",
        "split",
        "val_split",
        "links_from",
    )
    kept = ("out", "no_calibration", "print_recipe", *recipe)
    given = [
        name for name in kept if getattr(args, name) not in (None, []) and getattr(args, name) is not False
    ]
    if args.resume is not None and given:
        parser.error("a resumed run keeps its recipe and its folder: leave out what would change them")


def _recipe(args: argparse.Namespace) -> TrainConfig:
    """The preset or JSON file, with the changes of the command line."""
    from fmmp_train.training.config import override
    from fmmp_train.training.presets import read_recipe

    settings = [
        f"{name}={getattr(args, name)}" for name in ("batch_size", "seed") if getattr(args, name) is not None
    ]
    if args.steps is not None:
        settings += [f"steps={args.steps}", "epochs=null"]
    if args.backbone_weights is not None:
        settings.append("backbone_weights=file")
    if args.no_calibration:
        settings.append("calibration=0")
    return override(read_recipe(args.preset), [*settings, *args.settings])


def _recipe_text(args: argparse.Namespace) -> str:
    """The whole recipe as a file for `--preset`."""
    from fmmp_runtime.settings import to_json

    return json.dumps(json.loads(to_json(_recipe(args))), indent=1)


def _locations(args: argparse.Namespace) -> Locations:
    from fmmp_train.training.inputs import Locations

    return Locations(
        data=args.data,
        split=args.split or "train",
        val_split=args.val_split,
        photos=tuple(args.photos),
        backbone=args.backbone_weights,
        init=args.init,
        links_from=args.links_from,
    )


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        "fmmp-train",
        "Train a network by a recipe, or continue an interrupted run with --resume.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_presets_text()
        + '\nA recipe file may change one of them: {"preset": "small", "steps": 200}.\n'
        "Several GPUs: torchrun --nproc-per-node N -m fmmp_train.cli.train ...",
    )
    recipe = parser.add_argument_group("recipe of a new run")
    recipe.add_argument(
        "--preset",
        metavar="NAME|FILE",
        help="a recipe that is listed below, or a JSON file with one",
    )
    recipe.add_argument(
        "--set",
        dest="settings",
        metavar="FIELD=VALUE",
        action="extend",
        nargs="+",
        default=[],
        help="change fields of the recipe, such as optimizer.lr=3e-4",
    )
    recipe.add_argument("--steps", type=int, help="short for --set steps=N --set epochs=null")
    recipe.add_argument("--batch-size", type=int, help="pairs of a step, over all processes")
    recipe.add_argument("--seed", type=int, help="of the weights and the data")
    recipe.add_argument("--init", metavar="CHECKPOINT", help="start from these weights, with their network")
    recipe.add_argument("--backbone-weights", metavar="FILE", help="ImageNet weights of the backbone")
    recipe.add_argument(
        "--no-calibration",
        action="store_true",
        help="leave the score as it is at the end; short for --set calibration=0",
    )
    recipe.add_argument("--print-recipe", action="store_true", help="print it as JSON, and do nothing else")
    files = parser.add_argument_group("files")
    add_out(files, metavar="RUN", help="new folder of the run")
    files.add_argument("--resume", type=Path, metavar="RUN", help="folder of the run to continue")
    files.add_argument("--data", metavar="DIR", help="folder with annotations/<split>.json and images/")
    files.add_argument("--split", help="to learn from, of MP-100 such as split1_train (default: train)")
    files.add_argument("--val-split", help="to measure PCK on (default: val, where there is one)")
    files.add_argument(
        "--photos",
        metavar="DIR",
        action="extend",
        nargs="+",
        default=[],
        help="photographs for self-pairs (default: scikit-image's)",
    )
    files.add_argument(
        "--changed-data", action="store_true", help="resume although files have changed since the start"
    )
    add_links_from(files)
    add_device(parser, help="to train on")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that make examples; 0, the training itself makes them (default: %(default)s)",
    )
    return parser


def _presets_text() -> str:
    lines = [f"  {name:20} {text}" for name, text in PRESETS.items()]
    variants = f"  released with one change: {', '.join(VARIANTS)}"
    lines += textwrap.wrap(variants, 100, subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(["presets:", *lines, ""])


if __name__ == "__main__":
    raise SystemExit(main())
