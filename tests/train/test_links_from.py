# SPDX-License-Identifier: Apache-2.0
"""A skeleton that may count from 0 or from 1: every command that reads a data folder can be told."""

import json
from pathlib import Path

import pytest

from fmmp_train.cli import data as cli_data
from fmmp_train.cli import eval as cli_eval
from fmmp_train.cli import figures as cli_figures
from fmmp_train.data import read_split
from fmmp_train.training.inputs import Locations, training_set, validation_pairs
from fmmp_train.training.presets import MixtureConfig
from tests.train.recipes import tiny


@pytest.fixture
def ambiguous(tmp_path: Path, data_folder: Path) -> Path:
    """The data folder with links that name neither the keypoint 0 nor the keypoint K."""
    folder = tmp_path / "data"
    (folder / "annotations").mkdir(parents=True)
    (folder / "images").symlink_to(data_folder / "images")
    for split in ("train", "val"):
        content = json.loads((data_folder / "annotations" / f"{split}.json").read_text())
        for category in content["categories"]:
            category["skeleton"] = [[1, 2]]
        (folder / "annotations" / f"{split}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("start", [0, 1])
def test_every_command_takes_it(
    ambiguous: Path, tmp_path: Path, start: int, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "figure.png"
    data = ["--data", str(ambiguous), "--split", "val"]
    commands = [
        (cli_data.main, ["check", str(ambiguous)]),
        (
            cli_data.main,
            ["episodes", str(ambiguous / "annotations" / "val.json"), "--episodes", "1", "--queries", "1"],
        ),
        (cli_eval.main, ["--baselines", *data, "--pairs", "1"]),
        (cli_figures.main, ["padding", *data, "-o", str(picture), "--rows", "1"]),
    ]
    for main, words in commands:
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 1
        assert "--links-from 0|1" in capsys.readouterr().err
        assert main([*words, "--links-from", str(start)]) == 0


def test_training_takes_it(ambiguous: Path) -> None:
    recipe = tiny(mixture=MixtureConfig(photographs=1))
    with pytest.raises(ValueError, match=r"--links-from 0\|1"):
        training_set(recipe, Locations(data=str(ambiguous)))
    locations = Locations(data=str(ambiguous), links_from=1)
    for links in (
        next(iter(training_set(recipe, locations).categories.values())).links,
        validation_pairs(recipe, locations)[0].links,
    ):
        assert links.tolist() == [[0, 1]]
    assert next(iter(read_split(ambiguous, "val", links_from=0).categories.values())).links.tolist() == [
        [1, 2]
    ]
