# SPDX-License-Identifier: Apache-2.0
"""Tables 3 and 4 of the paper at a scale of one's own.

Trains every version with every seed, evaluates it on the test split, and prints who is better. Interrupted,
the same command goes on: a finished trial is not repeated, and a run is continued at its last saved step.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from accelerate import PartialState

from fmmp_runtime.files import write_json
from fmmp_runtime.settings import to_json
from fmmp_train.checkpoint.files import load_network
from fmmp_train.data import Dataset
from fmmp_train.evaluation.evaluate import evaluate
from fmmp_train.evaluation.pairs import draw_pairs
from fmmp_train.evaluation.predictors import network_predictor
from fmmp_train.evaluation.report.paper import VERSIONS
from fmmp_train.model import Network
from fmmp_train.progress import show_progress
from fmmp_train.reproduction.ablation import Trial
from fmmp_train.training.config import override
from fmmp_train.training.inputs import Locations
from fmmp_train.training.presets import TrainConfig, change
from fmmp_train.training.run.state import STATE_FILE, load_state
from fmmp_train.training.train import MODEL_FILE, resume, start

LOGGER = logging.getLogger("fmmp.reproduce")
PAIRS = 24  # of a test category


class StoppedError(ValueError):
    """A run was asked to stop; what it did is saved."""

    def __init__(self, message: str, signal: int | None) -> None:
        super().__init__(message)
        self.signal = signal  # number of what asked


def reproduce(
    base: TrainConfig,
    locations: Locations,
    test: Dataset,
    out: Path,
    seeds: Sequence[int],
    versions: Sequence[str] = tuple(VERSIONS),
    device: str | None = None,
) -> list[Trial]:
    """Train and evaluate versions of the paper's tables.

    Args:
        base: recipe that the versions are changes of.
        locations: of the data to learn from and to validate on.
        test: what the trained networks are compared on.
        out: folder of the runs and their results.
        seeds: of weights, data order and augmentation; all versions get the same.
        versions: of `paper.VERSIONS`.
        device: "cpu", or None for what accelerate finds.

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
                run = out / "runs" / _folder(base, version, seed)
                trial = _try(recipe, version, locations, test, run, device)
                file.parent.mkdir(parents=True, exist_ok=True)
                write_json(file, asdict(trial))
            trials.append(Trial(**json.loads(file.read_text(encoding="utf-8"))))
    return trials


def _folder(base: TrainConfig, version: str, seed: int) -> str:
    """Where a version's run is: versions that differ in their padding at the test alone share one."""
    wanted = _training(change(base, version))
    name = next(other for other in VERSIONS if _training(change(base, other)) == wanted)
    return f"{name}-{seed}"


def _training(recipe: TrainConfig) -> str:
    return to_json(replace(recipe, model=replace(recipe.model, test_padding="uniform")))


def _try(
    recipe: TrainConfig, version: str, locations: Locations, test: Dataset, run: Path, device: str | None
) -> Trial:
    _train(recipe, locations, run, device)
    trained = load_network(run / MODEL_FILE)
    network = Network(replace(trained.config, test_padding=recipe.model.test_padding))
    network.load_state_dict(trained.state_dict())
    pairs = draw_pairs(test, per_category=PAIRS, shots=recipe.examples.shots)
    place = PartialState().device if device is None else device
    report = evaluate(network_predictor(network, device=place), pairs)
    names = dict(report.categories)
    return Trial(
        version=version,
        seed=recipe.seed,
        category_mpck={names[number]: 100 * float(pck.mean()) for number, pck in report.by_category.items()},
        pck=(100 * report.category_mean).tolist(),
    )


def _train(recipe: TrainConfig, locations: Locations, run: Path, device: str | None) -> None:
    """Do what is left of a run."""
    with show_progress() as on_progress:
        if not (run / STATE_FILE).exists():
            outcome = start(recipe, locations, run, device=device, on_progress=on_progress)
        elif (state := load_state(run)).step < state.steps:
            outcome = resume(run, device=device, on_progress=on_progress)
        else:
            return
    if not outcome.is_finished:
        done = f"{outcome.step} of {outcome.steps} steps"
        text = f"{run} stopped after {done}, which are kept: the same command goes on"
        raise StoppedError(text, outcome.stopped_by)
