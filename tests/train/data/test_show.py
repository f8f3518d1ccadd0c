# SPDX-License-Identifier: Apache-2.0
"""`fmmp-data show`: a mistyped keypoint is seen, and said where a rule can tell."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmmp_runtime.media.image import read_image, write_image
from fmmp_train.cli import data as cli_data

EYES = {
    "keypoints": [[60, 40], [90, 40], [75, 70, 0]],
    "links": [[0, 1]],
    "names": ["left", "right", "\u9f3b"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_image(tmp_path / "a.png", np.full((100, 150, 3), 128, np.uint8))
    return tmp_path


def show(folder: Path, content: dict[str, Any], *options: str, identity: str = "") -> Path:
    (folder / "a.json").write_text(json.dumps(content))
    assert (
        cli_data.main(["show", f"{folder / 'a.json'}{identity}", "-o", str(folder / "out.png"), *options])
        == 0
    )
    return folder / "out.png"


def test_names_numbers_and_what_is_hidden(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = read_image(show(folder, EYES | {"image": "a.png"}))
    assert picture.shape[0] == 900  # large enough to read names
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines()[:3]] == [
        ["0", "left", "60.0", "40.0"],
        ["1", "right", "90.0", "40.0"],
        ["2", "\u9f3b", "75.0", "70.0", "hidden"],
    ]
    assert said.err == ""
    unnamed = {key: value for key, value in EYES.items() if key != "names"}
    assert not np.array_equal(picture, read_image(show(folder, unnamed | {"image": "a.png"})))


def test_an_image_of_another_name_and_of_coco(folder: Path) -> None:
    write_image(folder / "b.png", np.full((100, 150, 3), 90, np.uint8))
    assert show(folder, EYES, "--image", str(folder / "b.png")).is_file()
    (folder / "images").mkdir()
    (folder / "a.png").rename(folder / "images" / "c.png")
    coco = {
        "images": [{"id": 1, "file_name": "c.png", "width": 150, "height": 100}],
        "categories": [{"id": 1, "name": "x", "keypoints": ["p", "q"], "skeleton": [[0, 1]]}],
        "annotations": [
            {
                "id": i,
                "image_id": 1,
                "category_id": 1,
                "keypoints": [9, 9, 2, 40, 50, 2],
                "bbox": [5, 5, 50, 60],
            }
            for i in (7, 8)
        ],
    }
    assert show(folder, coco, identity="#8").is_file()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keypoints": [[60, 40], [900, 40]]}, "keypoint 1 (b) lies outside the image"),
        ({"keypoints": [[60, 40], [90, 41]], "box": [50, 30, 20, 20]}, "keypoint 1 (b) lies outside the box"),
        ({"keypoints": [[60, 40], [60, 40]]}, "keypoint 1 (b) lies where 0 (a) lies"),
        ({"links": None}, "no links given"),
    ],
)
def test_slips_are_said(
    folder: Path, change: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"keypoints": [[60, 40], [90, 40]], "links": [[0, 1]], "names": ["a", "b"], "image": "a.png"}
    show(folder, content | change)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"keypoints": [[1, 2]]}, "names no image"),
        ({"keypoints": [[1, 2]], "image": "gone.png"}, "name it with --image"),
        ({"keypoints": [[1, 2]], "links": [[0, 7]], "image": "a.png"}, "7"),
    ],
)
def test_what_cannot_be_drawn(
    folder: Path, content: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        show(folder, content)
    assert left.value.code == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (folder / "out.png").exists()


def test_links_that_count_from_either(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = EYES | {"keypoints": [[60, 40], [90, 40], [75, 70]], "links": [[1, 2]], "image": "a.png"}
    first = read_image(show(folder, content, "--links-from", "0"))
    assert (first != read_image(show(folder, content, "--links-from", "1"))).any()
    with pytest.raises(SystemExit):
        cli_data.main(["show", str(folder / "a.json"), "-o", str(folder / "out.png")])
    assert "--links-from 0|1" in capsys.readouterr().err
