# SPDX-License-Identifier: Apache-2.0
"""Tables 3 and 4 of the paper at a scale of one's own: `python -m fmmp_train.cli.reproduce`.

Trains every version with every seed, evaluates it on the test split, and prints who is better. Interrupted,
the same command goes on: a finished trial is not repeated, and a run is continued at its last saved step.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from accelerate import PartialState

from fmmp_runtime.files import write_atomically
from fmmp_runtime.settings import to_json
from fmmp_train.checkpoint.files import load_network
from fmmp_train.data import Dataset, read_split
from fmmp_train.evaluation.evaluate import evaluate
from fmmp_train.evaluation.pairs import draw_pairs
from fmmp_train.evaluation.predictors import network_predictor
from fmmp_train.evaluation.report.paper import VERSIONS
from fmmp_train.model import Network
from fmmp_train.progress import show_progress
from fmmp_train.reproduction.ablation import Trial, markdown
from fmmp_train.training.config import override
from fmmp_train.training.inputs import Locations
from fmmp_train.training.presets import PRESETS, TrainConfig, change
from fmmp_train.training.run.state import STATE_FILE, load_state
from fmmp_train.training.train import MODEL_FILE, resume, start

LOGGER = logging.getLogger("fmmp.reproduce")
PAIRS = 24  # of a test category


class StoppedError(ValueError):
    """A run was asked to stop; what it did is saved."""


def reproduce(
    base: TrainConfig,
    locations: Locations,
    test: Dataset,
    out: Path,
    seeds: Sequence[int],
    versions: Sequence[str] = tuple(VERSIONS),
) -> list[Trial]:
    """Train and evaluate versions of the paper's tables.

    Args:
        base: recipe that the versions are changes of.
        locations: of the data to learn from and to validate on.
        test: what the trained networks are compared on.
        out: folder of the runs and their results.
        seeds: of weights, data order and augmentation; all versions get the same.
        versions: of `paper.VERSIONS`.

    Raises:
        OSError, ValueError: data or folder can't be used.
        StoppedError: a run was interrupted.
    """
    trials = []
    for seed in seeds:
        for version in versions:
            recipe = override(change(base, version), [f"seed={seed}"])
            file = out / "trials" / f"{version}-{seed}.json"
            if not file.exists():
                LOGGER.info("%s, seed %d", version, seed)
                trial = _try(recipe, version, locations, test, out / "runs" / _folder(base, version, seed))
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, (json.dumps(asdict(trial), indent=1) + "\n").encode())
            trials.append(Trial(**json.loads(file.read_text(encoding="utf-8"))))
    return trials


def _folder(base: TrainConfig, version: str, seed: int) -> str:
    """Where a version's run is: versions that differ in their padding at the test alone share one."""
    wanted = _training(change(base, version))
    name = next(other for other in VERSIONS if _training(change(base, other)) == wanted)
    return f"{name}-{seed}"


def _training(recipe: TrainConfig) -> str:
    return to_json(replace(recipe, model=replace(recipe.model, test_padding="uniform")))


def _try(recipe: TrainConfig, version: str, locations: Locations, test: Dataset, run: Path) -> Trial:
    _train(recipe, locations, run)
    trained = load_network(run / MODEL_FILE)
    network = Network(replace(trained.config, test_padding=recipe.model.test_padding))
    network.load_state_dict(trained.state_dict())
    pairs = draw_pairs(test, per_category=PAIRS, shots=recipe.examples.shots)
    report = evaluate(network_predictor(network, device=PartialState().device), pairs)
    names = dict(report.categories)
    return Trial(
        version=version,
        seed=recipe.seed,
        category_mpck={names[number]: 100 * float(pck.mean()) for number, pck in report.by_category.items()},
        pck=(100 * report.category_mean).tolist(),
    )


def _train(recipe: TrainConfig, locations: Locations, run: Path) -> None:
    """Do what is left of a run."""
    with show_progress() as on_progress:
        if not (run / STATE_FILE).exists():
            outcome = start(recipe, locations, run, on_progress=on_progress)
        elif (state := load_state(run)).step < state.steps:
            outcome = resume(run, on_progress=on_progress)
        else:
            return
    if not outcome.is_finished:
        done = f"{outcome.step} of {outcome.steps} steps"
        raise StoppedError(f"{run} stopped after {done}, which are kept: the same command goes on")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when all trials are there."""
    parser = argparse.ArgumentParser(
        prog="python -m fmmp_train.reproduction.reproduce",
        description="Train and evaluate every version of the network in the paper's Tables 3 and 4.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with annotations/ and images/")
    parser.add_argument(
        "--splits",
        type=_three,
        default=("train", "val", "test"),
        metavar="TRAIN,VAL,TEST",
        help="of MP-100 such as split1_train,split1_val,split1_test (default: train,val,test)",
    )
    parser.add_argument("--backbone-weights", metavar="FILE", help="ImageNet weights of the backbone")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs and results; goes on there")
    parser.add_argument(
        "--preset", choices=("small", "released"), default="small", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--versions",
        choices=VERSIONS,
        nargs="+",
        default=list(VERSIONS),
        metavar="NAME",
        help="(default: all)",
    )
    parser.add_argument("--seeds", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument(
        "--set",
        dest="settings",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="change a field of the recipe in all versions",
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        weights = ["backbone_weights=file"] if args.backbone_weights is not None else []
        base = override(PRESETS[args.preset](), [*weights, *args.settings])
        train, val, test = args.splits
        locations = Locations(data=str(args.data), split=train, val_split=val, backbone=args.backbone_weights)
        asked = read_split(args.data, test)  # first: a wrong name shall not be found after days of training
        trials = reproduce(base, locations, asked, args.out, range(args.seeds), args.versions)
        text = markdown(trials)
        write_atomically(args.out / "tables.md", text.encode())
    except (OSError, ValueError) as error:
        parser.exit(1, f"reproduce: {error}\n")
    print(text)
    return 0


def _three(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if len(names) != 3 or not all(names):
        raise argparse.ArgumentTypeError(f"expected three names as TRAIN,VAL,TEST, got {text!r}")
    return names


if __name__ == "__main__":
    raise SystemExit(main())
