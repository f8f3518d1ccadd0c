# SPDX-License-Identifier: Apache-2.0
"""The tables that compare versions of the network, and the command that fills them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmmp_train.cli.reproduce import main
from fmmp_train.data import read_split
from fmmp_train.evaluation.report.paper import VERSIONS
from fmmp_train.reproduction.ablation import Trial, compare_versions, markdown
from fmmp_train.reproduction.reproduce import StoppedError, reproduce
from fmmp_train.training.inputs import Locations
from fmmp_train.training.presets import LossConfig, TrainConfig
from fmmp_train.training.train import Outcome, start
from tests.train.recipes import tiny

CATEGORIES = [f"c{number}" for number in range(20)]


def trial(version: str, seed: int, mpck: float, spread: float = 0.0) -> Trial:
    values = mpck + spread * np.random.default_rng([*version.encode(), seed]).normal(size=len(CATEGORIES))
    return Trial(
        version=version, seed=seed, category_mpck=dict(zip(CATEGORIES, values, strict=True)), pck=[mpck] * 4
    )


def trials(**mpck: float) -> list[Trial]:
    return [trial(name.replace("_", "-"), seed, value) for name, value in mpck.items() for seed in (0, 1)]


@pytest.mark.parametrize(
    ("better", "verdict"), [(3.0, "as the paper"), (-3.0, "against the paper"), (0.0, "undecided")]
)
def test_verdict(better: float, verdict: str) -> None:
    [found] = compare_versions(trials(table3_1=50, table3_2=50 + better))
    assert (found.version, found.other) == ("table3-2", "table3-1")
    assert found.gain == pytest.approx(better)
    assert found.paper_gain == pytest.approx(3.36)
    assert found.verdict == verdict


def test_a_version_that_should_be_worse_agrees_when_it_is() -> None:
    [found] = compare_versions(trials(table4_fledged=50, table4_zerotest=48))
    assert found.verdict == "as the paper"


def test_noise_is_undecided() -> None:
    some = [trial("table3-1", s, 50, 10) for s in range(3)] + [trial("table3-2", s, 51, 10) for s in range(3)]
    [found] = compare_versions(some)
    assert found.low < 0 < found.high


def test_only_seeds_that_both_have_are_compared() -> None:
    some = [trial("table3-1", 0, 50), trial("table3-1", 1, 90), trial("table3-2", 0, 51)]
    [found] = compare_versions(some)
    assert found.gain == pytest.approx(1)
    assert compare_versions([trial("table3-1", 0, 50), trial("table3-2", 1, 51)]) == []


def test_other_categories_are_no_comparison() -> None:
    other = replace(trial("table3-2", 0, 1), category_mpck={"x": 1.0})
    with pytest.raises(ValueError, match="other categories"):
        compare_versions([trial("table3-1", 0, 1), other])


def test_tables_name_what_was_measured() -> None:
    text = markdown(trials(table3_1=50, table3_2=53))
    assert "| table3-2 | 2 | 53.0 | 53.0 | 53.0 | 53.0 | 53.0 | 53.0 to 53.0 | 73.18 |" in text
    assert "| table3-2 over table3-1 | +3.0 | +3.0 to +3.0 | +3.36 | as the paper |" in text
    assert "table3-3" not in text


@pytest.mark.slow
def test_whole_command_goes_on_where_it_stopped(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    (data / "annotations").mkdir(parents=True)
    (data / "images").symlink_to(data_folder / "images")
    for split, source in {"train": "train", "val": "val", "test": "val"}.items():
        (data / "annotations" / f"{split}.json").symlink_to(data_folder / "annotations" / f"{source}.json")
    base = tiny(
        model=replace(tiny().model, start="center"),
        mixture=replace(tiny().mixture, photographs=1, self_pairs=0),
        loss=LossConfig(),
        steps=1,
        eval_pairs=1,
    )
    calls: list[str] = []

    def counted(recipe: TrainConfig, locations: Locations, run: Path, **options: Any) -> Outcome:  # noqa: ANN401  # of `start`
        calls.append(run.name)
        if len(calls) == 3:
            return Outcome(0, 1, None, None)
        return start(recipe, locations, run, **options)

    monkeypatch.setattr("fmmp_train.reproduction.reproduce.start", counted)
    locations, asked = Locations(data=str(data)), read_split(data, "test")
    with pytest.raises(StoppedError, match="0 of 1 steps, which are kept"):
        reproduce(base, locations, asked, tmp_path / "out", [0])
    assert calls == ["table3-1-0", "table3-2-0", "table3-3-0"]
    found = reproduce(base, locations, asked, tmp_path / "out", [0])
    assert [each.version for each in found] == list(VERSIONS)
    # The versions that differ in their padding at the test alone share a training.
    assert calls[3:] == [
        "table3-3-0",
        "table3-4-0",
        "table3-5-0",
        "table4-s3q3-0",
        "table4-alllink-0",
        "table4-nonelink-0",
    ]
    assert reproduce(base, locations, asked, tmp_path / "out", [0]) == found
    assert len(calls) == 9


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--set", "model.dim=x"])
    assert stop.value.code == 1
    assert "model.dim" in capsys.readouterr().err


def test_splits_and_weights_of_the_command(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[tuple[TrainConfig, Locations]] = []

    def seen(recipe: TrainConfig, locations: Locations, *_: object, **__: object) -> Outcome:
        started.append((recipe, locations))
        return Outcome(0, 1, None, None, stopped_by=2)

    monkeypatch.setattr("fmmp_train.reproduction.reproduce.start", seen)
    command = ["--data", str(data_folder), "--out", str(tmp_path / "out"), "--preset", "released"]
    with pytest.raises(SystemExit, match="1"):
        main([*command, "--splits", "train,val,none", "--backbone-weights", "resnet50.pth"])
    assert "no annotations for split 'none'" in capsys.readouterr().err
    assert started == []  # found before anything is trained
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--splits", "train,val"])
    assert "expected 3 arguments" in capsys.readouterr().err
    assert main([*command, "--splits", "val", "train", "val", "--backbone-weights", "resnet50.pth"]) == 130
    [(recipe, locations)] = started
    assert recipe.backbone_weights == "file"
    assert locations == Locations(
        data=str(data_folder), split="val", val_split="train", backbone="resnet50.pth"
    )
