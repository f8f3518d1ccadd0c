# SPDX-License-Identifier: Apache-2.0
"""`fmmp-train` and `fmmp-eval` as a user meets them."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fmmp_runtime.settings import from_json, to_json
from fmmp_train.checkpoint.files import load_model, save_model
from fmmp_train.cli import eval as cli_eval
from fmmp_train.cli import train as cli_train
from fmmp_train.data import find_annotations, read_annotations
from fmmp_train.data.mp100 import split_categories
from fmmp_train.evaluation.evaluate import evaluate
from fmmp_train.evaluation.pairs import draw_pairs
from fmmp_train.evaluation.predictors import network_predictor
from fmmp_train.model import Network
from fmmp_train.training import variants
from fmmp_train.training.inputs import Locations, training_set, validation_pairs
from fmmp_train.training.presets import PRESETS, MixtureConfig, TrainConfig, released
from fmmp_train.training.run.journal import read_journal
from fmmp_train.training.run.state import STATE_FILE
from fmmp_train.training.train import MODEL_FILE, start
from tests.train.recipes import tiny


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("recipe") / "tiny.json"
    file.write_text(to_json(tiny(steps=2)))
    return str(file)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("model") / MODEL_FILE
    save_model(Network(tiny().model), file)
    return file


def exit_code(command: list[str], of: object = cli_train) -> int:
    with pytest.raises(SystemExit) as left:
        of.main(command)  # type: ignore[attr-defined]
    code = left.value.code
    assert isinstance(code, int)
    return code


@pytest.mark.slow
def test_train_then_resume_then_evaluate(
    tmp_path: Path, data_folder: Path, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = [
        "--preset",
        recipe,
        "-o",
        str(out),
        "--data",
        str(data_folder),
        "--device",
        "cpu",
        "--seed",
        "3",
        "--workers",
        "0",
    ]
    assert cli_train.main([*command, "--set", "average=0"]) == 0
    assert str(out / MODEL_FILE) in capsys.readouterr().out
    assert len(read_journal(out, "train")) == 2
    assert cli_train.main(["--resume", str(out), "--device", "cpu", "--workers", "0"]) == 0
    capsys.readouterr()
    file = tmp_path / "numbers.json"
    options = ["--data", str(data_folder), "--categories", "1,2", "--pairs", "3", "--json", str(file)]
    assert cli_eval.main([str(out / MODEL_FILE), *options]) == 0
    assert "thing 1" in capsys.readouterr().out

    [numbers] = json.loads(file.read_text())["methods"].values()
    dataset = read_annotations(find_annotations(data_folder, "val"))
    pairs = draw_pairs(dataset, per_category=3, categories=[1, 2])
    expected = evaluate(network_predictor(load_model(out / MODEL_FILE)), pairs)
    assert numbers["category_mean"] == expected.category_mean.tolist()
    assert numbers["image_mean"] == expected.image_mean.tolist()
    assert [(row["id"], row["pairs"]) for row in numbers["categories"]] == [(1, 3), (2, 3)]


def test_mp100_protocol(model: Path, data_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "numbers.json"
    options = [
        "--protocol",
        "mp100",
        "--queries",
        "2",
        "--episodes",
        "2",
        "--categories",
        "1,2",
        "--json",
        str(file),
    ]
    assert cli_eval.main([str(model), "--data", str(data_folder), *options]) == 0
    assert next(iter(json.loads(file.read_text())["methods"].values()))["pairs"] == 8


@pytest.mark.slow
def test_mp100_in_one_file_is_learnt_from(tmp_path: Path, data_folder: Path, recipe: str) -> None:
    content = json.loads((data_folder / "annotations" / "train.json").read_text())
    known = [each for each in content["annotations"] if each["category_id"] == 1][:2]
    category = next(each for each in content["categories"] if each["id"] == 1)
    content["categories"] = [category | {"id": number} for number in range(1, 101)]
    content["annotations"] = [
        each | {"id": 10 * number + index, "category_id": number}
        for number in range(1, 101)
        for index, each in enumerate(known)
    ]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "mp100_all.json").write_text(json.dumps(content))
    (tmp_path / "images").symlink_to(data_folder / "images")
    splits = ["--split", "split1_train", "--val-split", "split1_val"]
    options = ["--set", 'mixture={"photographs": 1}', "--set", "eval_pairs=1", "--workers", "0"]
    command = ["--preset", recipe, "--data", str(tmp_path), *splits, *options, "--device", "cpu"]
    assert cli_train.main([*command, "-o", str(tmp_path / "run")]) == 0
    assert len(read_journal(tmp_path / "run", "val")) == 1
    config = tiny(mixture=MixtureConfig(photographs=1))
    locations = Locations(data=str(tmp_path), split="split1_train", val_split="split1_val")
    assert tuple(training_set(config, locations).categories) == split_categories("split1_train")
    asked = {pair.category_id for pair in validation_pairs(config, locations)}
    assert asked == set(split_categories("split1_val") or ())


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ([], 2, "--preset"),
        (["--preset", "demo"], 2, "--out RUN"),
        (["--preset", "demo", "--resume", "x"], 2, "--resume"),
        (["--preset", "demo", "-o", "{new}", "--changed-data"], 2, "--resume RUN"),
        (["--resume", "x", "--steps", "3"], 2, "keeps its recipe"),
        (["--resume", "x", "--split", "other"], 2, "keeps its recipe"),
        (["--resume", "x", "--seed", "0"], 2, "keeps its recipe"),
        (["--preset", "demo", "-o", "{new}", "--steps", "many"], 2, "--steps"),
        (["--preset", "dmeo", "-o", "{new}"], 1, "presets: released, released-"),
        (["--preset", "demo", "-o", "{new}", "--set", "lr=1"], 1, "unknown key 'lr'"),
        (["--preset", "demo", "-o", "{new}"], 1, "--data DIR"),
        (["--preset", "released", "-o", "{new}"], 1, "--backbone-weights FILE"),
        (["--preset", "{recipe}", "-o", "{new}", "--data", "{new}"], 1, "is not a folder"),
        (["--preset", "{recipe}", "-o", "{new}", "--photos", "{new}"], 1, "is not a folder"),
        (["--preset", "{recipe}", "-o", "{new}", "--init", "{new}"], 1, "no checkpoint at"),
        (["--preset", "{recipe}", "-o", "{new}", "--data", "{data}", "--val-split", "x"], 1, "for split 'x'"),
        (
            ["--preset", "demo", "-o", "{new}", "--data", "{data}"],
            1,
            "no category 66, 107, 108, and this recipe learns from 66, 107, 108: give data that has them",
        ),
        (["--preset", "{recipe}", "-o", "{recipe}"], 1, "File exists"),
        (["--resume", "{new}"], 1, "nothing to resume"),
    ],
)
def test_what_is_wrong_with_a_training_command(
    command: list[str],
    code: int,
    words: str,
    recipe: str,
    data_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [part.format(new=tmp_path / "new", recipe=recipe, data=data_folder) for part in command]
    assert exit_code(filled) == code
    error = capsys.readouterr().err
    assert words in error
    if code == 1:
        assert error.startswith("fmmp-train: ")
        assert error.count("\n") == 1


def test_a_worker_says_what_is_wrong_in_one_line(
    tmp_path: Path, recipe: str, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("annotations", "images"):
        shutil.copytree(data_folder / name, tmp_path / name)
    (tmp_path / "annotations" / "val.json").unlink()
    for image in (tmp_path / "images").iterdir():
        image.write_bytes(b"no image")
    options = [
        "--data",
        str(tmp_path),
        "--set",
        'mixture={"photographs": 1}',
        "--workers",
        "1",
        "--device",
        "cpu",
    ]
    assert exit_code(["--preset", recipe, "-o", str(tmp_path / "run"), *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"fmmp-train: {tmp_path}/annotations/train.json: annotation ")
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_damaged_state_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(tiny(steps=1), Locations(), tmp_path, device="cpu")
    file = tmp_path / STATE_FILE
    whole = file.read_bytes()
    for length in (len(whole) // 2, 0):
        file.write_bytes(whole[:length])
        assert exit_code(["--resume", str(tmp_path)]) == 1
        assert "is damaged" in capsys.readouterr().err


class Payload:
    """What a hostile file would hold: unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.path,))


def test_a_state_that_would_run_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"format": 1, "step": Payload(tmp_path / "ran")}, tmp_path / STATE_FILE)
    assert exit_code(["--resume", str(tmp_path)]) == 1
    assert "damaged or no state" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["--data", "{data}"], 2, "nothing to evaluate"),
        (["{model}"], 2, "--data"),
        (["{model}", "--data", "{data}", "--categories", "a"], 2, "invalid int value"),
        (["{model}", "--data", "{data}", "--shots", "0"], 2, "shots must be at least 1"),
        (["{data}/none.pth", "--data", "{data}"], 1, "none.pth"),
        (["{model}", "--data", "{data}/none"], 1, "is not a folder"),
        (["{model}", "--data", "{data}", "--split", "test"], 1, "no annotations for split 'test'"),
        (["{model}", "--data", "{data}", "--categories", "5"], 1, "no category 5"),
        (["{model}", "--data", "{data}", "--protocol", "mp100"], 1, "ask for fewer queries"),
        (["{data}/annotations/val.json", "--data", "{data}"], 1, "val.json"),
        (["{data}", "--data", "{data}"], 1, "model.json"),
        (["{model}", "--data", "{data}", "--device", "abacus"], 1, "no device is called 'abacus'"),
        (["{model}", "--data", "{data}", "--json", "{data}/none/x.json"], 1, "none"),
    ],
)
def test_what_is_wrong_with_an_evaluation_command(
    command: list[str],
    code: int,
    words: str,
    model: Path,
    data_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [part.format(model=model, data=data_folder) for part in command]
    assert exit_code(filled, cli_eval) == code
    error = capsys.readouterr().err
    assert words in error
    if code == 1:
        assert error.startswith("fmmp-eval: ")
        assert error.count("\n") == 1


def test_a_recipe_that_changes_another_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.json").write_text(
        json.dumps({"preset": "released", "model": {"backbone": "resnet18"}, "steps": 2})
    )
    command = ["--preset", str(tmp_path / "mine.json"), "--set", "seed=4", "batch_size=3", "--print-recipe"]
    assert cli_train.main(command) == 0
    printed = capsys.readouterr().out
    config = from_json(TrainConfig, printed)
    assert config == replace(
        released(),
        model=replace(released().model, backbone="resnet18"),
        steps=2,
        epochs=None,
        seed=4,
        batch_size=3,
    )
    (tmp_path / "whole.json").write_text(printed)  # what is printed can be given
    assert cli_train.main(["--preset", str(tmp_path / "whole.json"), "--print-recipe"]) == 0
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"model": {"backbone": "resnet18"}, "steps": 2}', 'no mixture in it: .*"preset": "small"'),
        ('{"preset": "smal", "steps": 2}', "no preset 'smal'; presets: released, "),
        ('{"preset": ["small"]}', "no preset"),
        ('{"preset": "small", "model": {"depth": 2}}', "unknown key 'model.depth'"),
        ('{"preset": "small", "model": 5}', "model"),
        ("[]", "expected an object with fields, got list"),
        ("{", "mine.json: "),
        ("[" * 100_000, "mine.json: "),
    ],
)
def test_a_recipe_that_is_none(
    content: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.json").write_text(content)
    assert exit_code(["--preset", str(tmp_path / "mine.json"), "--print-recipe"]) == 1
    error = capsys.readouterr().err
    assert re.search(words, error)
    assert error.count("\n") == 1


def test_help_lists_every_preset() -> None:
    assert (*variants.PRESETS, *variants.VARIANTS) == tuple(PRESETS)


def test_a_recipe_without_calibration(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli_train.main(["--preset", recipe, "--no-calibration", "--print-recipe"]) == 0
    assert json.loads(capsys.readouterr().out)["calibration"] == 0


def test_lists_with_commas_still_work(
    model: Path, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [str(model), "--data", str(data_folder), "--pairs", "1", "--device", "cpu"]
    for words in (["1,2"], ["1", "2"]):
        file = tmp_path / "numbers.json"
        assert cli_eval.main([*command, "--categories", *words, "--json", str(file)]) == 0
        [numbers] = json.loads(file.read_text())["methods"].values()
        assert [row["id"] for row in numbers["categories"]] == [1, 2]
        assert ("1,2 is spelled 1 2 now" in capsys.readouterr().err) == (words == ["1,2"])
