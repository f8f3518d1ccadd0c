# SPDX-License-Identifier: Apache-2.0
"""`fmmp-run` where the object must be found: what it says, draws and writes, whatever was found."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime import Pose, PoseEstimator, read_image
from fmmp_runtime.bundle.specs import Model
from fmmp_runtime.cli import run as cli_run
from fmmp_runtime.cli import run_job
from fmmp_runtime.media.image import write_image


@pytest.fixture
def arguments(bundle: Path, tmp_path: Path) -> list[str]:
    """A job without --box."""
    for name in ("support.png", "a.png"):
        write_image(tmp_path / name, np.full((90, 140, 3), 102, np.uint8))
    (tmp_path / "support.json").write_text(json.dumps({"keypoints": [[30, 20], [100, 25]]}))
    files = [str(tmp_path / name) for name in ("support.png", "support.json", "a.png", "out")]
    return [str(bundle), *(f for pair in zip(OPTIONS, files, strict=True) for f in pair)]


OPTIONS = ("--support", "--annotation", "--query", "--out")


def pose(x: float, presence: float) -> Pose:
    return Pose(
        keypoints=np.array([[x, 20.0], [x + 20, 40.0]]),
        score=np.array([0.9, 0.8]),
        links=np.array([[0, 1]]),
        known=np.ones(2, np.bool_),
        box=np.array([x, 20, 20, 20]),
        presence=presence,
    )


def finding(monkeypatch: pytest.MonkeyPatch, poses: Sequence[Pose]) -> list[dict[str, object]]:
    """Let every search find these; returns what it is asked for."""
    asked: list[dict[str, object]] = []

    def find(_: object, frame: object, state: object, **options: object) -> list[Pose]:
        asked.append(options)
        return list(poses)

    monkeypatch.setattr(PoseEstimator, "find", find)
    monkeypatch.setattr(run_job, "_lacks_search", lambda *_: "")
    return asked


def test_not_found_is_a_result(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = finding(monkeypatch, [])
    assert cli_run.main([*arguments, "--most", "3", "--presence", "0.7"]) == 0
    assert asked == [{"most": 3, "presence": 0.7}]
    assert ": not found, " in capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "a-pose.json").read_text())
    assert (result["found"], result["keypoints"], result["score"]) == (0, [], [])
    drawn = read_image(tmp_path / "out" / "a-pose.jpg")
    assert np.ptp(drawn[:20]) > 50  # says so on the picture


def test_several_are_written_best_first(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finding(monkeypatch, [pose(10, 0.93), pose(60, 0.61)])
    assert cli_run.main([*arguments, "--most", "2"]) == 0
    assert ": 2 found, presence 0.93, " in capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "a-pose.json").read_text())
    assert (result["found"], result["presence"], result["box"]) == (2, 0.93, [10, 20, 20, 20])
    (other,) = result["others"]
    assert (other["presence"], other["box"]) == (0.61, [60, 20, 20, 20])


def test_a_bundle_that_cannot_search_takes_the_whole_picture_and_says_so(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli_run.main(arguments) == 0
    assert "has no search (fmmp-export writes one): the whole picture is taken" in capsys.readouterr().err
    result = json.loads((tmp_path / "out" / "a-pose.json").read_text())
    assert result["box"] == [0, 0, 139, 89]
    assert "presence" not in result
    assert cli_run.main([*arguments, "--box", "whole"]) == 0
    assert "has no search" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["here"], ["1", "2", "3"], ["1", "2", "3", "x"], ["find", "whole"]])
def test_a_box_is_a_word_or_four_numbers(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli_run.main([*arguments, "--box", *words])
    assert ended.value.code == 2
    assert (
        f"--box takes find, whole, or four numbers X Y W H, got {' '.join(words)}" in capsys.readouterr().err
    )


def test_search_is_none_of_an_older_bundle(bundle: Path) -> None:
    model: Model = PoseEstimator(bundle).model
    assert model.search is None
    assert model.search_tensors == []
