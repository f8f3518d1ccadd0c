# SPDX-License-Identifier: Apache-2.0
"""An evaluation that is interrupted, shared, or whose files change."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fmmp_train.checkpoint.files import save_model
from fmmp_train.cli import eval as cli_eval
from fmmp_train.data import DataError
from fmmp_train.evaluation import compare as module
from fmmp_train.evaluation.compare import EvaluationConfig, compare
from fmmp_train.evaluation.evaluate import Answer, Predict, Report
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.evaluation.predictors import open_predictor
from fmmp_train.evaluation.protocol import Protocol
from fmmp_train.evaluation.result_log import ResultLogError
from fmmp_train.model import Network
from fmmp_train.training.train import MODEL_FILE
from tests.train.recipes import tiny

PROTOCOL = Protocol(name="mp100", queries=2, episodes=3, categories=(1, 2))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("model") / MODEL_FILE
    save_model(Network(tiny().model), file)
    return file


@pytest.fixture
def asked(model: Path, data_folder: Path, tmp_path: Path) -> EvaluationConfig:
    data = tmp_path / "data"
    shutil.copytree(data_folder, data)
    return EvaluationConfig(model=model, data=data, split="val", protocol=PROTOCOL, out=tmp_path / "out")


def same(first: Report, second: Report) -> None:
    for name in ("pck", "area", "nme", "cluster", "error", "owner", "score"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


class Killed(Exception):
    """Stands for a crash in the middle."""


def after(count: int, predict: Predict) -> Predict:
    calls = iter(range(count))

    def answer(pairs: Sequence[Pair]) -> Sequence[Answer]:
        if next(calls, None) is None:
            raise Killed
        return predict(pairs)

    return answer


def test_goes_on_where_it_was_killed(asked: EvaluationConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    [whole] = compare(replace(asked, out=None)).values()
    opened = open_predictor
    monkeypatch.setattr(module, "open_predictor", lambda *a, **k: after(2, opened(*a, **k)))
    with pytest.raises(Killed):
        compare(asked)
    assert asked.out is not None
    [journal] = asked.out.glob("pairs-*.jsonl")
    assert len(journal.read_text().splitlines()) == 2
    with journal.open("a") as file:
        file.write('{"of": "cut in the mid')
    monkeypatch.setattr(module, "open_predictor", lambda *a, **k: after(4, opened(*a, **k)))
    [resumed] = compare(asked).values()  # 6 episodes: 4 are left
    same(resumed, whole)
    monkeypatch.setattr(module, "open_predictor", lambda *a, **k: after(0, opened(*a, **k)))
    [again] = compare(asked).values()
    same(again, whole)


def run_two(asked: EvaluationConfig) -> subprocess.CompletedProcess[str]:
    """The command, in two processes."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", "-m"]
    options = ["--protocol", "mp100", "--queries", "2", "--episodes", "3", "--categories", "1,2"]
    command = ["fmmp_train.cli.eval", str(asked.model), "--data", str(asked.data), "--out", str(asked.out)]
    return subprocess.run(
        [*launch, *command, *options],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_two_processes_share_the_work(asked: EvaluationConfig) -> None:
    [whole] = compare(replace(asked, out=None)).values()
    done = run_two(asked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("mean over images") == 1  # one process prints
    assert asked.out is not None
    journals = sorted(asked.out.glob("pairs-*.jsonl"))
    batches = [[json.loads(line)["batch"] for line in file.read_text().splitlines()] for file in journals]
    assert batches == [[0, 2, 4], [1, 3, 5]]
    [numbers] = json.loads((asked.out / "report.json").read_text())["methods"].values()
    # another number of threads may sum in another order; a keypoint then moves by less than it counts
    np.testing.assert_allclose(numbers["image_mean"], whole.image_mean, atol=1e-6)
    [alone] = compare(asked).values()  # all is there: one process reads what two have written
    np.testing.assert_allclose(alone.error, whole.error, atol=1e-4)


@pytest.mark.slow
def test_a_process_that_fails_loses_nothing_of_the_others(asked: EvaluationConfig) -> None:
    [whole] = compare(replace(asked, out=None)).values()
    image = asked.data / "images" / "201.png"
    data = image.read_bytes()
    image.write_bytes(data[: len(data) // 2])
    failed = run_two(asked)
    assert failed.returncode != 0
    assert "201.png is cut off" in failed.stderr
    assert asked.out is not None
    lines = [line for file in asked.out.glob("pairs-*.jsonl") for line in file.read_text().splitlines()]
    assert len(lines) >= 2  # both had a batch of category 1 before
    image.write_bytes(data)
    assert run_two(asked).returncode == 0
    [alone] = compare(asked).values()
    np.testing.assert_allclose(alone.error, whole.error, atol=1e-4)  # see above


def test_a_category_without_a_pair_is_named(
    asked: EvaluationConfig, caplog: pytest.LogCaptureFixture
) -> None:
    compare(replace(asked, protocol=Protocol(shots=2, pairs=1), out=None))
    assert "category 7 is left out: of its 2 instances no 3 show a common keypoint" in caplog.text


def test_another_model_data_or_protocol_is_refused(asked: EvaluationConfig, tmp_path: Path) -> None:
    compare(asked)
    with pytest.raises(ResultLogError, match="other protocol: shots was 1, is 2, queries was 2, is 1"):
        compare(replace(asked, protocol=replace(PROTOCOL, shots=2, queries=1)))
    assert asked.model is not None
    copy = tmp_path / "model.safetensors"
    shutil.copy(asked.model, copy)
    other = replace(asked, model=copy, out=tmp_path / "other")
    compare(other)
    torch.manual_seed(1)
    save_model(Network(tiny().model), copy)
    with pytest.raises(ResultLogError, match="holds an evaluation of another"):
        compare(other)
    file = asked.data / "annotations" / "val.json"
    file.write_text(file.read_text() + " ")
    with pytest.raises(ResultLogError, match="other data: annotations was"):
        compare(asked)


def test_an_image_that_changes_under_a_run(asked: EvaluationConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    [whole] = compare(replace(asked, out=None)).values()
    opened = open_predictor
    changed: list[tuple[Path, bytes, float]] = []

    def disturbed(*args: object, **options: object) -> Predict:
        predict = opened(*args, **options)  # type: ignore[arg-type]

        def answer(pairs: Sequence[Pair]) -> Sequence[Answer]:
            answers = predict(pairs)
            if pairs[0].category_id == 2 and not changed:
                image = pairs[0].query.image
                changed.append((image, image.read_bytes(), image.stat().st_mtime))
                image.write_bytes(b"other")
            return answers

        return answer

    monkeypatch.setattr(module, "open_predictor", disturbed)
    with pytest.raises(DataError, match="changed while the evaluation read it") as error:
        compare(asked)
    image, data, _ = changed[0]
    assert str(image) in str(error.value)
    image.write_bytes(data)
    monkeypatch.setattr(module, "open_predictor", lambda *a, **k: after(3, opened(*a, **k)))
    [resumed] = compare(asked).values()  # the three episodes of category 1 were kept
    same(resumed, whole)


def test_missing_and_broken_images_are_named(asked: EvaluationConfig) -> None:
    image = asked.data / "images" / "201.png"
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"201\.png is cut off"):
        compare(asked)
    assert asked.out is not None
    image.unlink()
    with pytest.raises(DataError, match=r"1 of \d+ images that are asked for are missing: .*201\.png"):
        compare(asked)
    image.write_bytes(whole)
    [resumed] = compare(asked).values()
    assert len(resumed.pck) == 12
    image.write_bytes(whole + b" ")  # now it was measured
    with pytest.raises(DataError, match=r"201\.png had \d+ bytes when it was measured"):
        compare(asked)


def test_a_damaged_folder_is_named(asked: EvaluationConfig) -> None:
    compare(asked)
    assert asked.out is not None
    journal = asked.out / "pairs-0.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([lines[0], "{}\n", *lines[1:]]))
    with pytest.raises(ResultLogError, match=r"pairs-0\.jsonl: line 2 is damaged"):
        compare(asked)
    (asked.out / "run.json").write_text("{")
    with pytest.raises(ResultLogError, match=r"run\.json is damaged"):
        compare(asked)


@pytest.mark.slow
def test_files_of_several_splits(asked: EvaluationConfig, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", str(asked.data), "--split", "val,train", "--pairs", "2", "--out", str(asked.out)]
    assert cli_eval.main([str(asked.model), *options, "--baselines"]) == 0
    printed = capsys.readouterr().out
    assert "mPCK by split" in printed
    assert "calibration error" in printed
    assert asked.out is not None
    for split in ("val", "train"):
        folder = asked.out / split
        assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")
        content = json.loads((folder / "report.json").read_text())
        with (folder / "report.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 4 * (3 + 1)
        for row in rows:
            method = content["methods"][row["method"]]
            of = {str(entry["id"]): entry for entry in method["categories"]} | {"": method["overall"]}
            for name in ("PCK@0.05", "mPCK", "AUC", "NME"):
                found = [float(row[f"{name}{part}"]) for part in ("", " low", " high")]
                assert found == of[row["category"]][name]
    with pytest.raises(SystemExit) as left:
        cli_eval.main([str(asked.model), *options, "--json", "x.json"])
    assert left.value.code == 2
