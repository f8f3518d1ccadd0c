# SPDX-License-Identifier: Apache-2.0
"""Images that are painted to fit annotations."""

import json
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime.media.image import read_image, write_image
from fmmp_train.cli.data import main
from fmmp_train.data import read_annotations
from fmmp_train.data.tools.depict import depict, is_painted, paint_images

pytestmark = pytest.mark.slow  # pictures are painted: seconds of CPU time


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two images, one higher than 1024 pixels, with two objects on the other; a hidden point in each."""
    rng = np.random.default_rng(0)
    sizes = {1: (1500, 1000), 2: (120, 200)}
    images = [{"id": i, "file_name": f"a/{i}.png", "height": h, "width": w} for i, (h, w) in sizes.items()]
    entries = []
    for number, image in ((10, 1), (20, 2), (21, 2)):
        height, width = sizes[image]
        points = np.column_stack([rng.uniform(0.3, 0.7, (4, 2)) * (width, height), [2, 2, 2, 0]])
        box = [0.25 * width, 0.25 * height, 0.5 * width, 0.5 * height]
        entry = {"id": number, "image_id": image, "category_id": 5, "bbox": box}
        entries.append({**entry, "keypoints": points.ravel().tolist()})
    category = {"id": 5, "name": "thing", "keypoints": [], "skeleton": [[0, 1], [1, 2], [2, 3]]}
    target = tmp_path / "split.json"
    target.write_text(json.dumps({"images": images, "annotations": entries, "categories": [category]}))
    return target


def test_sizes_are_those_of_the_file_and_nothing_is_left_to_chance(file: Path, tmp_path: Path) -> None:
    assert paint_images(file, tmp_path / "one") == (2, 2)
    assert paint_images(file, tmp_path / "two") == (2, 2)
    assert (tmp_path / "one" / "annotations" / "split.json").read_bytes() == file.read_bytes()
    assert is_painted(tmp_path / "one")
    for number, size in ((1, (1500, 1000, 3)), (2, (120, 200, 3))):
        image = read_image(tmp_path / "one" / "images" / "a" / f"{number}.png")
        assert image.shape == size
        np.testing.assert_array_equal(image, read_image(tmp_path / "two" / "images" / "a" / f"{number}.png"))
    assert main(["check", str(tmp_path / "one")]) == 0


def test_the_object_is_where_the_annotation_says(file: Path) -> None:
    """The same image with its keypoints moved differs around them, and only within their box."""
    dataset = read_annotations(file)
    for name, number in (("a/1.png", 10), ("a/2.png", 20)):
        shown = [instance for instance in dataset.instances if instance.image.name == Path(name).name]
        [moved] = [instance for instance in dataset.instances if instance.id == number]
        plain = depict(dataset, shown, name).astype(int)
        for point in (0, 1, 2):
            before = moved.keypoints_px.copy()
            x, y = np.round(before[point]).astype(int)
            moved.keypoints_px[point] += 40
            changed = np.abs(depict(dataset, shown, name) - plain).max(2)
            moved.keypoints_px[:] = before
            assert changed[y, x] > 0
            margin = 0.04 * max(moved.box_xywh[2:])
            low, high = before[:3].min(0) - margin, before[:3].max(0) + 40 + margin
            rows, columns = np.nonzero(changed)
            assert (columns >= low[0]).all()
            assert (columns <= high[0]).all()
            assert (rows >= low[1]).all()
            assert (rows <= high[1]).all()
        hidden = moved.keypoints_px.copy()
        moved.keypoints_px[3] += 30
        np.testing.assert_array_equal(depict(dataset, shown, name), plain)
        moved.keypoints_px[:] = hidden


def test_only_what_the_episodes_need(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert paint_images(file, out, wanted=[21]) == (1, 1)
    assert not (out / "images" / "a" / "1.png").exists()
    assert paint_images(file, out) == (1, 2)  # the other one was there
    command = ["paint", str(file), "--out", str(tmp_path / "cli"), "--episodes", "1", "--queries", "1"]
    assert main([*command, "--shots", "1,2"]) == 0
    assert "2 images painted" in capsys.readouterr().out


def test_photographs_are_never_touched(file: Path, tmp_path: Path) -> None:
    photograph = tmp_path / "images" / "a" / "1.png"
    photograph.parent.mkdir(parents=True)
    write_image(photograph, np.zeros((9, 9, 3), np.uint8))
    before = photograph.read_bytes()
    with pytest.raises(FileExistsError, match="were not painted"):
        paint_images(file, tmp_path)
    assert photograph.read_bytes() == before


@pytest.mark.parametrize("name", ["../outside.png", "/outside.png", "a/../../outside.png"])
def test_no_image_is_written_elsewhere(file: Path, tmp_path: Path, name: str) -> None:
    content = json.loads(file.read_text())
    content["images"][0]["file_name"] = name
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="outside"):
        paint_images(file, tmp_path / "out")
    assert not list(tmp_path.rglob("*.png"))
