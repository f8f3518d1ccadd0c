# SPDX-License-Identifier: Apache-2.0
"""What `fmmp-run` says about annotations and pictures, and its options for them."""

import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fmmp_runtime.cli import run as cli_run
from fmmp_runtime.media.image import write_image

SQUARE = [[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]]
BOX = [20.0, 10.0, 91.0, 71.0]
NAMES = ["a", "b", "c", "d"]


def _run(
    bundle: Path,
    folder: Path,
    annotations: list[Any],
    capsys: pytest.CaptureFixture[str],
    *options: str,
    code: int = 0,
    query: str = "a.png",
) -> str:
    """Run with a support for each annotation; what it said on stderr."""
    supports, files = [], []
    for number, content in enumerate(annotations):
        supports.append(folder / f"support{number}.png")
        if not supports[-1].exists():
            write_image(supports[-1], np.full((90, 140, 3), 102, np.uint8))
        files.append(folder / f"support{number}.json")
        files[-1].write_text(json.dumps(content))
    if not (folder / "a.png").exists():
        write_image(folder / "a.png", np.full((90, 140, 3), 102, np.uint8))
    out = folder / f"out{len(list(folder.glob('out*')))}"  # results are not written over
    arguments = [str(bundle), "--support", *map(str, supports), "--annotation", *map(str, files)]
    arguments += [
        "--query",
        str(folder / query),
        "--out",
        str(out),
        "--box",
        "20",
        "10",
        "91",
        "71",
    ]
    try:
        ended = cli_run.main([*arguments, *options])
    except SystemExit as error:
        ended = int(error.code or 0)
    said = capsys.readouterr().err
    assert ended == code, said
    return said


def _result(folder: Path) -> Any:  # noqa: ANN401  # of JSON
    return json.loads(max(folder.glob("out*/a-pose.json")).read_text())


def test_two_shots_in_another_order(
    three_shot_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 8: the mean of two equal examples is the example."""
    first = {"keypoints": SQUARE, "names": NAMES, "links": [[0, 1], [1, 2]], "box": BOX}
    order = [2, 0, 3, 1]
    other = {
        "keypoints": [SQUARE[i] for i in order],
        "names": [NAMES[i] for i in order],
        "links": [[1, 3], [0, 3]],
        "box": BOX,
    }
    said = _run(three_shot_bundle, tmp_path, [first, other], capsys)
    assert said.count("matched with those of annotation 1 by their names") == 1
    np.testing.assert_allclose(
        _result(tmp_path)["keypoints"], SQUARE, rtol=0, atol=0.0051
    )  # written with two decimals
    other["names"] = ["a", "b", "c", "e"]
    said = _run(three_shot_bundle, tmp_path, [first, other], capsys, code=1)
    assert "have different keypoints" in said


def _coco(names: list[str], order: list[int], **image: int) -> dict[str, Any]:
    keypoints = [v for i in order for v in (*SQUARE[i], 2)]
    return {
        "images": [{"id": 1, "file_name": "any.png", **image}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": keypoints, "bbox": BOX}],
        "categories": [{"id": 1, "name": "x", "keypoints": names, "skeleton": [[1, 2]]}],
    }


def test_two_categories_of_coco_as_two_shots(
    three_shot_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 8, with `--links-from` (row 4)."""
    one, two = _coco(NAMES, [0, 1, 2, 3]), _coco(NAMES[::-1], [3, 2, 1, 0])
    two["categories"][0]["skeleton"] = []
    for number, content in enumerate((one, two)):
        content["images"][0]["file_name"] = f"support{number}.png"
    said = _run(three_shot_bundle, tmp_path, [one, two], capsys, code=1)
    assert "--links-from 0|1" in said
    said = _run(three_shot_bundle, tmp_path, [one, two], capsys, "--links-from", "1")
    assert "by their names" in said
    result = _result(tmp_path)
    assert result["links"] == [[0, 1]]
    np.testing.assert_allclose(result["keypoints"], SQUARE, rtol=0, atol=0.0051)


def test_what_was_guessed_is_said(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows 2, 9, 16 and 23 on stderr."""
    twelve = np.full((90, 140), 1638, np.uint16)  # 102 of 255 in 12 bits
    twelve[0, 0] = 4095
    (tmp_path / "a.png").write_bytes(cv2.imencode(".png", twelve)[1].tobytes())
    content = {
        "keypoints": [*(np.array(SQUARE) / 2).tolist(), None],
        "box": [10, 5, 30, 36],
        "width": 70,
        "height": 45,
    }
    said = _run(bundle, tmp_path, [content], capsys)
    assert "70 x 45 pixels, support0.png has 140 x 90: scaled by 2" in said
    assert "count as hidden: [4]" in said
    assert "leaves 2 of 4 visible keypoints outside: widened to" in said


def test_limit_of_pixels(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture above the limit is a failed query; --megapixels raises it."""
    write_image(tmp_path / "large.png", np.zeros((1000, 1100, 3), np.uint8))
    own = {"keypoints": SQUARE}
    said = _run(bundle, tmp_path, [own], capsys, "--megapixels", "1", code=1, query="large.png")
    assert "1100 x 1000 pixels, 1 megapixels: too large" in said
    assert "--megapixels" in said
    _run(bundle, tmp_path, [own], capsys, "--megapixels", "2", query="large.png")


def test_a_pipe_is_no_picture(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    said = _run(bundle, tmp_path, [{"keypoints": SQUARE}], capsys, code=1, query="pipe.png")
    assert "is not a regular file" in said


def test_too_many_keypoints_name_the_way_out(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 17."""
    said = _run(bundle, tmp_path, [{"keypoints": [[5, 5]] * 106}], capsys, code=1)
    assert "fmmp-export --keypoints 106 makes one for them" in said
