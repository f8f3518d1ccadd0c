# SPDX-License-Identifier: Apache-2.0
"""Runs: what they write, and that an interruption leaves no trace in the numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from torch import Tensor

from fmmp_train.checkpoint.files import load_model
from fmmp_train.data.examples.dataset import Mixture
from fmmp_train.model import ModelConfig, Network
from fmmp_train.training.inputs import Locations
from fmmp_train.training.presets import LossConfig, MixtureConfig, OptimizerConfig, TrainConfig
from fmmp_train.training.run.journal import LOG_FILE, read_journal
from fmmp_train.training.run.state import STATE_FILE, load_state
from fmmp_train.training.train import BEST_FILE, MODEL_FILE, OnProgress, Progress, resume, start
from tests.train.recipes import tiny

pytestmark = pytest.mark.slow


class Killed(Exception):
    """The power went."""


def weights(file: Path) -> dict[str, Tensor]:
    return load_model(file).state_dict()


def interrupted_at(step: int) -> OnProgress:
    def on_progress(progress: Progress) -> None:
        if progress.step == step:
            raise Killed

    return on_progress


def real_and_drawn() -> TrainConfig:
    return tiny(mixture=MixtureConfig(photographs=1, self_pairs=1))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Path:
    out = tmp_path_factory.mktemp("whole")
    start(real_and_drawn(), Locations(data=str(data_folder)), out, device="cpu")
    return out


@pytest.mark.parametrize("killed_at", [1, 3, 5])  # before the first saving, between two, after the last
def test_resumed_run_is_the_very_same(
    tmp_path: Path, data_folder: Path, whole_run: Path, killed_at: int
) -> None:
    expected = read_journal(whole_run, "train")
    assert [row["step"] for row in expected] == [1, 2, 3, 4, 5, 6]

    config, locations = real_and_drawn(), Locations(data=str(data_folder))
    with pytest.raises(Killed):
        start(config, locations, tmp_path, device="cpu", on_progress=interrupted_at(killed_at))
    if killed_at == 1:  # nothing was saved: it starts again
        assert not (tmp_path / STATE_FILE).exists()
        outcome = start(config, locations, tmp_path, device="cpu")
    else:
        assert load_state(tmp_path).step == killed_at // 2 * 2
        outcome = resume(tmp_path, device="cpu")
    assert outcome.is_finished
    assert read_journal(tmp_path, "train") == expected  # to the last bit
    assert read_journal(tmp_path, "val") == read_journal(whole_run, "val")
    for file in (MODEL_FILE, BEST_FILE):
        assert load_model(tmp_path / file).confidence.calibrated
        ours, theirs = weights(tmp_path / file), weights(whole_run / file)
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_seed_decides_everything(tmp_path: Path) -> None:
    losses = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        start(tiny(seed=seed, steps=2), Locations(), tmp_path / name, device="cpu")
        losses.append([row["loss"] for row in read_journal(tmp_path / name, "train")])
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_it_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One batch again and again: the network must fit it."""
    config = tiny(steps=60, batch_size=2, optimizer=OptimizerConfig(lr=3e-3), save_every=1000)

    original = Mixture.__getitem__
    monkeypatch.setattr(Mixture, "__getitem__", lambda self, index: original(self, index % 2))
    start(config, Locations(), tmp_path, device="cpu")
    losses = [row["raw"] for row in read_journal(tmp_path, "train")]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_frozen_parts_stay_and_others_move(tmp_path: Path) -> None:
    config = tiny(
        steps=2, optimizer=OptimizerConfig(lr=1e-2, rates={"backbone": 0, "backbone.layer4": 0.5}), average=0
    )
    start(config, Locations(), tmp_path / "zero", device="cpu")
    torch.manual_seed(config.seed)
    before, after = Network(config.model).state_dict(), weights(tmp_path / "zero" / MODEL_FILE)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("backbone.layer4") for name in moved)
    assert any(name.startswith("point_heads") for name in moved)
    assert not any(
        name.startswith(("backbone.conv1", "backbone.layer1", "backbone.layer3")) for name in moved
    )
    assert not any("running_" in name for name in moved)  # statistics stay too


def test_batch_statistics_move_when_asked(tmp_path: Path) -> None:
    config = tiny(steps=1, backbone_norm="train", average=0)
    start(config, Locations(), tmp_path, device="cpu")
    after = weights(tmp_path / MODEL_FILE)
    assert after["backbone.bn1.running_mean"].abs().sum() > 0


def test_mixed_precision_is_near(tmp_path: Path) -> None:
    for precision in ("bf16", "no"):
        AcceleratorState._reset_state()  # one precision for all that a process does, as it would have it
        start(tiny(steps=3, precision=precision), Locations(), tmp_path / precision, device="cpu")
    mixed, full = ([row["loss"] for row in read_journal(tmp_path / name, "train")] for name in ("bf16", "no"))
    assert mixed[0] != full[0]
    np.testing.assert_allclose(mixed, full, rtol=0.05)  # 2^-9 of rounding a layer; the loss is a mean of many
    assert {tensor.dtype for tensor in weights(tmp_path / "bf16" / MODEL_FILE).values()} == {
        tensor.dtype for tensor in weights(tmp_path / "no" / MODEL_FILE).values()
    }


def test_bfloat16_backbone_is_near(tmp_path: Path) -> None:
    frozen = OptimizerConfig(rates={"backbone": 0})
    for name, is_bfloat16 in (("half", True), ("full", False)):
        config = tiny(steps=2, optimizer=frozen, backbone_bfloat16=is_bfloat16)
        start(config, Locations(), tmp_path / name, device="cpu")
    half, full = (read_journal(tmp_path / name, "train")[0]["loss"] for name in ("half", "full"))
    assert half != full
    assert (
        abs(half - full) < 0.05 * full
    )  # features carry 2^-9 of rounding a layer; the loss is a mean of many


def test_saved_weights_are_the_average(tmp_path: Path) -> None:
    start(tiny(steps=2), Locations(), tmp_path, device="cpu")
    state = load_state(tmp_path)
    assert state.average is not None
    saved = weights(tmp_path / MODEL_FILE)
    assert all(torch.equal(saved[name], value) for name, value in state.average.items())
    assert any(not torch.equal(value, state.network[name]) for name, value in state.average.items())


def test_start_from_a_checkpoint(tmp_path: Path) -> None:
    start(tiny(steps=1, average=0), Locations(), tmp_path / "first", device="cpu")
    first = tmp_path / "first" / MODEL_FILE
    other = tiny(
        steps=1, model=ModelConfig(), loss=LossConfig(), optimizer=OptimizerConfig(lr=1e-12), average=0
    )
    start(other, Locations(init=str(first)), tmp_path / "second", device="cpu")
    ours, theirs = weights(tmp_path / "second" / MODEL_FILE), weights(first)
    for name in theirs:  # the checkpoint's network, and a step too small to see
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-9)


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    start(tiny(steps=1), Locations(), tmp_path, device="cpu")
    with pytest.raises(ValueError, match="holds a run already"):
        start(tiny(steps=1), Locations(), tmp_path, device="cpu")


def test_finished_run_resumes_to_nothing(tmp_path: Path) -> None:
    start(tiny(steps=2), Locations(), tmp_path, device="cpu")
    log = (tmp_path / LOG_FILE).read_bytes()
    assert resume(tmp_path, device="cpu").is_finished
    assert (tmp_path / LOG_FILE).read_bytes() == log


def test_keypoints_that_do_not_fit_are_said_before_the_first_step(tmp_path: Path, data_folder: Path) -> None:
    config = tiny(model=replace(tiny().model, max_keypoints=3))
    with pytest.raises(ValueError, match=r"category \d has \d+ keypoints, the model takes 3"):
        start(config, Locations(data=str(data_folder)), tmp_path, device="cpu")


def test_diverging_run_says_so(tmp_path: Path) -> None:
    config = tiny(optimizer=OptimizerConfig(lr=1e30, clip=0), loss=LossConfig(), steps=20)
    with pytest.raises(ValueError, match=r"the loss of step \d+ is (nan|inf)"):
        start(config, Locations(), tmp_path, device="cpu")


def test_parts_of_a_batch_are_the_whole(tmp_path: Path) -> None:
    """Eight pairs at once, or four and four: the same gradients, so the same run."""
    for parts in (1, 2):
        # Small steps: weights that rounding has moved apart would read other cells, and differ by more.
        config = tiny(batch_size=8, accumulate=parts, steps=4, optimizer=OptimizerConfig(lr=1e-4, clip=0))
        start(config, Locations(), tmp_path / str(parts), device="cpu")
    whole, halves = (read_journal(tmp_path / name, "train") for name in ("1", "2"))
    for name in ("loss", "raw", "padded", "match", "lr"):  # lr: the schedule counts steps, not parts
        ours, theirs = ([row[name] for row in rows] for rows in (halves, whole))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)  # float32 sums in another order: 4e-7
    two, one = (load_state(tmp_path / name) for name in ("2", "1"))
    assert two.average is not None
    assert one.average is not None
    for mine, other in ((two.network, one.network), (two.average, one.average)):
        for name in other:  # Adam divides by the gradient: rounding of a tiny one moves a weight
            torch.testing.assert_close(mine[name], other[name], rtol=0, atol=1e-5)
    for index, moments in one.optimizer[
        "state"
    ].items():  # the size of the gradients, which Adam's steps hide
        difference = two.optimizer["state"][index]["exp_avg"] - moments["exp_avg"]
        assert difference.norm() <= 1e-4 * moments["exp_avg"].norm() + 1e-8
