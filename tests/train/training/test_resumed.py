# SPDX-License-Identifier: Apache-2.0
"""What a resumed run takes from its state beside the weights: best, random numbers, the gradients' scale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import functional

from fmmp_train.training.inputs import Locations
from fmmp_train.training.presets import MixtureConfig, OptimizerConfig, TrainConfig
from fmmp_train.training.run.journal import read_journal
from fmmp_train.training.run.state import load_state, save_state
from fmmp_train.training.step import TrainStep
from fmmp_train.training.train import BEST_FILE, Progress, resume, start
from tests.train.recipes import tiny

pytestmark = pytest.mark.slow


class Killed(Exception):
    """The power went."""


def start_and_die(config: TrainConfig, out: Path, step: int, data: Path | None = None) -> None:
    def die(progress: Progress) -> None:
        if progress.step == step:
            raise Killed

    locations = Locations(data=str(data) if data else None)
    with pytest.raises(Killed):
        start(config, locations, out, device="cpu", on_progress=die)


def test_the_best_weights_are_not_replaced_by_worse_ones(tmp_path: Path, data_folder: Path) -> None:
    config = tiny(mixture=MixtureConfig(photographs=1), eval_every=2, calibration=0)
    start_and_die(config, tmp_path, 4, data_folder)
    before = (tmp_path / BEST_FILE).read_bytes()
    save_state(tmp_path, replace(load_state(tmp_path), best=2.0))  # more than any later validation gives
    assert resume(tmp_path, device="cpu").is_finished
    assert (tmp_path / BEST_FILE).read_bytes() == before
    assert load_state(tmp_path).best == 2


def test_dropout_draws_the_same_after_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = TrainStep._features

    def dropped(self: TrainStep, images: Tensor) -> list[Tensor]:
        return [functional.dropout(each, 0.5, self.training) for each in features(self, images)]

    monkeypatch.setattr(TrainStep, "_features", dropped)
    start(tiny(), Locations(), tmp_path / "whole", device="cpu")
    start_and_die(tiny(), tmp_path / "run", 4)
    torch.manual_seed(99)  # another process has drawn other numbers before
    resume(tmp_path / "run", device="cpu")
    assert read_journal(tmp_path / "run", "train") == read_journal(tmp_path / "whole", "train")


class HalfAccelerator(Accelerator):  # type: ignore[misc]  # untyped
    """As with float16 on a GPU: gradients are scaled, and the scale changes on the way."""

    def __init__(self, **_: Any) -> None:  # noqa: ANN401  # of the accelerator
        super().__init__(cpu=True)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8, growth_interval=3)


def test_the_scale_of_float16_gradients_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fmmp_train.training.train.Accelerator", HalfAccelerator)
    config = tiny(optimizer=OptimizerConfig(lr=1e-2, clip=0))
    start(config, Locations(), tmp_path / "whole", device="cpu")
    start_and_die(config, tmp_path / "run", 4)
    saved = load_state(tmp_path / "run").scaler
    assert saved is not None
    assert saved["scale"] == 2.0**9  # it grew after three steps
    resume(tmp_path / "run", device="cpu")
    assert load_state(tmp_path / "run").scaler == load_state(tmp_path / "whole").scaler
    assert read_journal(tmp_path / "run", "train") == read_journal(tmp_path / "whole", "train")
