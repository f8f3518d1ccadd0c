# SPDX-License-Identifier: Apache-2.0
"""The calibration at the end of a run: how much of it there is, and that both files get it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fmmp_train.calibration.calibrate import SYNTHETIC, Calibration
from fmmp_train.checkpoint.files import load_model
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.training.inputs import Locations, validation_pairs
from fmmp_train.training.presets import MixtureConfig
from fmmp_train.training.run import scores
from fmmp_train.training.train import BEST_FILE, MODEL_FILE, start
from tests.train.recipes import tiny

pytestmark = pytest.mark.slow

PHOTOGRAPHS = MixtureConfig(photographs=1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """File, pairs and synthetic categories of every calibration, which isn't done."""
    seen = []

    def count(file: Path, pairs: list[Pair], *, synthetic: int) -> Calibration:
        seen.append((file.name, len(pairs), synthetic))
        return Calibration(0, 0, 0, 0, (), ())

    monkeypatch.setattr(scores, "calibrate_file", count)
    return seen


def test_a_short_run_asks_a_share_of_what_it_learnt(
    tmp_path: Path, data_folder: Path, asked: list[tuple[str, int, int]]
) -> None:
    config = tiny(
        mixture=PHOTOGRAPHS, steps=40, eval_every=40, calibration=0.5
    )  # the last weights are the best
    start(config, Locations(data=str(data_folder)), tmp_path, device="cpu")
    [(name, pairs, synthetic)] = asked
    assert name == MODEL_FILE
    assert 38 <= pairs + synthetic <= 41  # half of 80, of each kind as large a part
    whole = len(validation_pairs(config, Locations(data=str(data_folder))))
    assert pairs == pytest.approx(whole * synthetic / SYNTHETIC, abs=1)


def test_the_same_weights_get_the_same_scores(tmp_path: Path, data_folder: Path) -> None:
    config = tiny(mixture=PHOTOGRAPHS, eval_every=6, steps=6)
    start(config, Locations(data=str(data_folder)), tmp_path, device="cpu")
    assert (tmp_path / MODEL_FILE).read_bytes() == (tmp_path / BEST_FILE).read_bytes()
    assert load_model(tmp_path / BEST_FILE).confidence.calibrated


@pytest.mark.parametrize(("share", "says"), [(0.1, ["too short for a calibration"]), (0, [])])
def test_none_in_a_very_short_run_or_when_not_wanted(
    tmp_path: Path,
    data_folder: Path,
    asked: list[tuple[str, int, int]],
    caplog: pytest.LogCaptureFixture,
    share: float,
    says: list[str],
) -> None:
    config = tiny(mixture=PHOTOGRAPHS, steps=2, calibration=share)
    with caplog.at_level(logging.WARNING, "fmmp.train"):
        start(config, Locations(data=str(data_folder)), tmp_path, device="cpu")
    assert asked == []
    for words, record in zip(says, caplog.records, strict=True):
        assert words in record.message
