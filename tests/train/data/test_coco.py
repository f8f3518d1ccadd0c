# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmmp_train.data import DataError, find_annotations, read_annotations
from fmmp_train.data.examples.sources import load_image

Content = dict[str, Any]


def small_set() -> Content:
    """Two categories of one name, as in MP-100; one has no point names, and a last point without a link."""
    return {
        "images": [
            {"id": 8, "file_name": "b/2.jpg", "height": 40, "width": 60},
            {"id": 3, "file_name": "a/1.jpg", "height": 30, "width": 20},
        ],
        "annotations": [
            {
                "id": 50,
                "image_id": 3,
                "category_id": 18,
                "keypoints": [1, 2, 2, 3, 4, 1, 0, 0, 0],
                "bbox": [0, 0, 9, 9],
            },
            {
                "id": 20,
                "image_id": 8,
                "category_id": 18,
                "keypoints": [5, 6, 2, 7, 8, 2, 9, 9, 2],
                "bbox": [1, 2, 30, 9],
            },
            {
                "id": 10,
                "image_id": 8,
                "category_id": 40,
                "keypoints": [5, 6, 2, 7, 8, 2],
                "bbox": [1, 2, 30, 9],
            },
        ],
        "categories": [
            {"id": 40, "name": "face", "keypoints": ["left eye", "right eye"], "skeleton": [[0, 1], [1, 0]]},
            {"id": 18, "name": "face", "keypoints": [], "skeleton": [[0, 1]]},
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Content], Path]:
    def _write(content: Content) -> Path:
        folder = tmp_path / "annotations"
        folder.mkdir(exist_ok=True)
        (tmp_path / "images").mkdir(exist_ok=True)
        file = folder / "train.json"
        file.write_text(json.dumps(content))
        return file

    return _write


def test_reads_the_quirks_of_mp100(write: Callable[[Content], Path]) -> None:
    data = read_annotations(write(small_set()))
    assert list(data.categories) == [40, 18]  # in the order of the file; ids, since the names are equal
    first, second = data.categories.values()
    assert (first.name, second.name) == ("face", "face")
    assert (first.num_keypoints, second.num_keypoints) == (2, 3)  # not the highest linked index + 1
    assert second.keypoint_names == ()
    assert first.links.tolist() == [[0, 1], [1, 0]]  # MP-100 lists some links twice
    # Images in the order of the file, not of their ids.
    assert [instance.id for instance in data.instances_of(18)] == [20, 50]
    instance = data.instances_of(18)[1]
    assert instance.keypoints_px.tolist() == [[1, 2], [3, 4], [0, 0]]
    assert instance.visible.tolist() == [True, True, False]
    assert instance.image_size_hw == (30, 20)
    assert instance.image.as_posix().endswith("/images/a/1.jpg")


def test_subset_by_id(write: Callable[[Content], Path]) -> None:
    data = read_annotations(write(small_set()))
    part = data.subset([40])
    assert list(part.categories) == [40]
    assert [instance.id for instance in part.instances] == [10]
    with pytest.raises(DataError, match=r"no category 7; it has \[18, 40\]"):
        data.subset([40, 7])


@pytest.mark.parametrize(
    "change",
    [
        {"iscrowd": 1},
        {"keypoints": []},
        {"keypoints": [5, 6, 0, 7, 8, 0]},
        {"num_keypoints": 0},
        {"area": 0},
        {"bbox": [70, 2, 30, 9]},  # the image is 60 wide
    ],
    ids=lambda change: next(iter(change)),
)
def test_unusable_annotations_are_left_out(write: Callable[[Content], Path], change: Content) -> None:
    content = small_set()
    content["annotations"][2].update(change)
    data = read_annotations(write(content))
    assert [instance.id for instance in data.instances] == [20, 50]
    assert list(data.categories) == [18]  # a category without instances is no category


FAULTS: dict[str, tuple[Callable[[Content], object], str]] = {
    "lists": (lambda c: c.pop("images"), "expected the lists images, annotations, categories"),
    "image": (
        lambda c: c["annotations"][0].update(image_id=4),
        "annotation 50 is of image 4, which is not listed",
    ),
    "category": (
        lambda c: c["annotations"][0].update(category_id=4),
        "annotation 50 is of category 4, which is not",
    ),
    "image id": (lambda c: c["images"][1].update(id="3"), r"images\[1\] needs a whole number 'id', got '3'"),
    "no box": (lambda c: c["annotations"][0].pop("bbox"), "annotation 50: expected keypoints"),
    "triples": (lambda c: c["annotations"][0].update(keypoints=[1, 2]), "annotation 50: expected keypoints"),
    "text": (
        lambda c: c["annotations"][0].update(keypoints=["a", 2, 2]),
        "annotation 50: expected keypoints",
    ),
    "400 digits": (
        lambda c: c["annotations"][0]["keypoints"].__setitem__(0, 10**400),
        "annotation 50: a number in it is too large",
    ),
    "area": (
        lambda c: c["annotations"][0].update(area=None),
        "annotation 50: area must be a number or left out, got null",
    ),
    "nan": (
        lambda c: c["annotations"][0]["keypoints"].__setitem__(4, float("nan")),
        "annotation 50: keypoint 1 is not",
    ),
    "nan box": (
        lambda c: c["annotations"][0].update(bbox=[0, float("nan"), 2, 2]),
        "annotation 50: bbox must be four finite",
    ),
    "count": (
        lambda c: c["annotations"][0].update(keypoints=[1, 2, 2]),
        "annotation 50 has 1 keypoints, others of category 18 have 3",
    ),
    "link range": (
        lambda c: c["categories"][1].update(skeleton=[[0, 3]]),
        r"category 18: link 0, \[0, 3\], is out of",
    ),
    "link to itself": (
        lambda c: c["categories"][1].update(skeleton=[[1, 1]]),
        "category 18: link 0, .* to itself",
    ),
    "link shape": (
        lambda c: c["categories"][1].update(skeleton=[[0, 1, 2]]),
        r"category 18: link 0 must be \[i, j\]",
    ),
    "ragged links": (
        lambda c: c["categories"][1].update(skeleton=[[0, 1], [1]]),
        r"category 18: link 1 must be \[i, j\]",
    ),
    "names": (lambda c: c["categories"][1].update(keypoints=5), "annotation 20: .* a list of names"),
}


@pytest.mark.parametrize(("spoil", "message"), FAULTS.values(), ids=FAULTS)
def test_faults_name_file_and_entry(
    write: Callable[[Content], Path], spoil: Callable[[Content], object], message: str
) -> None:
    content = small_set()
    spoil(content)
    with pytest.raises(DataError, match=rf"train\.json.*{message}"):
        read_annotations(write(content))


def test_not_json(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"images": [')
    with pytest.raises(DataError, match=r"a\.json is not JSON"):
        read_annotations(file)
    file.write_text("1" * 5000)  # more digits than Python reads
    with pytest.raises(DataError, match=r"a\.json is not JSON"):
        read_annotations(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"a\.json is not JSON"):
        read_annotations(file)
    with pytest.raises(FileNotFoundError, match=r"b\.json"):
        read_annotations(tmp_path / "b.json")


def test_unreadable_image_names_the_annotation(write: Callable[[Content], Path]) -> None:
    data = read_annotations(write(small_set()))  # reads no image
    with pytest.raises(DataError, match=r"train\.json: annotation 20: .*2\.jpg"):
        load_image(data.instances_of(18)[0], data.source)


def test_finds_the_file_of_a_split(tmp_path: Path, write: Callable[[Content], Path]) -> None:
    file = write(small_set())
    assert find_annotations(tmp_path, "train") == file
    official = tmp_path / "annotations" / "mp100_split1_val.json"
    official.write_text("{}")
    assert find_annotations(tmp_path, "split1_val") == official
    with pytest.raises(
        DataError, match=r"no annotations for split 'test'; found \['mp100_split1_val.json', 'train"
    ):
        find_annotations(tmp_path, "test")
    with pytest.raises(DataError, match=r"is not a folder; expected one with annotations/test\.json"):
        find_annotations(file, "test")


def test_coordinates_keep_their_precision(write: Callable[[Content], Path]) -> None:
    content = small_set()
    content["annotations"][2]["keypoints"] = [5.123456, 6, 2, 1999.5, 8, 2]
    instance = read_annotations(write(content)).instances_of(40)[0]
    # float32 steps by 2^-14 at 2000: far below a hundredth of a pixel.
    np.testing.assert_allclose(instance.keypoints_px, [[5.123456, 6], [1999.5, 8]], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["images", "annotations", "categories"])
def test_an_id_that_occurs_twice_is_named(tmp_path: Path, kind: str) -> None:
    content = small_set()
    content[kind].append(dict(content[kind][0]))
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content))
    number = content[kind][0]["id"]
    with pytest.raises(DataError, match=rf"{kind}\[\d\] has the id {number} of an entry before"):
        read_annotations(file)
