# SPDX-License-Identifier: Apache-2.0
"""Our own JSON and COCO's, and every fault by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from fmmp_runtime.annotation.reader import read_annotation
from fmmp_runtime.pose import AnnotationError, KeypointError, LinkError

OWN: dict[str, Any] = {
    "keypoints": [[1, 2], [3.5, 4, 0], [5, 6, 2]],
    "links": [[0, 1], [1, 2]],
    "box": [0, 1, 20, 30],
    "names": ["nose", "tail", "paw"],
    "image": "cat.jpg",
}


def _coco() -> dict[str, Any]:
    return {
        "images": [
            {"id": 7, "file_name": "cats/a.jpg", "width": 100, "height": 80},
            {"id": 8, "file_name": "dogs/a.jpg", "width": 100, "height": 80},
            {"id": 9, "file_name": "dogs/b.jpg", "width": 100, "height": 80},
        ],
        "annotations": [
            {
                "id": 70,
                "image_id": 7,
                "category_id": 3,
                "keypoints": [1, 2, 2, 3, 4, 1, 0, 0, 0],
                "bbox": [0, 0, 9, 8],
            },
            {"id": 80, "image_id": 8, "category_id": 3, "keypoints": [9, 9, 2.0, 8, 8, 2.0, 7, 7, 2.0]},
            {"id": 90, "image_id": 9, "category_id": 3, "keypoints": [1, 1, 2, 2, 2, 2, 3, 3, 2]},
            {"id": 91, "image_id": 9, "category_id": 3, "keypoints": [4, 4, 2, 5, 5, 2, 6, 6, 2]},
        ],
        "categories": [{"id": 3, "name": "cat", "keypoints": ["x", "y", "z"], "skeleton": [[0, 1], [1, 2]]}],
    }


def _write(folder: Path, content: object) -> Path:
    file = folder / "a.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_own(tmp_path: Path) -> None:
    annotation = read_annotation(_write(tmp_path, OWN))
    assert annotation.keypoints.tolist() == [[1, 2], [3.5, 4], [5, 6]]
    assert annotation.visible.tolist() == [True, False, True]
    assert (annotation.links, annotation.box) == ([[0, 1], [1, 2]], [0, 1, 20, 30])
    assert (annotation.names, annotation.image) == (["nose", "tail", "paw"], "cat.jpg")


def test_keypoints_alone_suffice(tmp_path: Path) -> None:
    annotation = read_annotation(_write(tmp_path, {"keypoints": [[1, 2]]}))
    assert annotation.visible.all()
    assert (annotation.links, annotation.box, annotation.names, annotation.image) == (None,) * 4


def test_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    read_annotation(_write(tmp_path, "\ufeff" + json.dumps(OWN)))


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ("", AnnotationError, "is not JSON"),
        ("{]", AnnotationError, "is not JSON"),
        ([1], AnnotationError, "must hold a JSON object with the key 'keypoints', got list"),
        (
            {"links": []},
            AnnotationError,
            "no key 'keypoints'; known keys are keypoints, links, box, names, image",
        ),
        (OWN | {"bbox": [1, 2, 3, 4]}, AnnotationError, "unknown key 'bbox'; known keys are"),
        ({"keypoints": []}, KeypointError, "must be a list of"),
        ({"keypoints": 3}, KeypointError, "must be a list of"),
        (
            {"keypoints": [[1, 2], [3]]},
            KeypointError,
            r"keypoint 1 must be \[x, y\] or \[x, y, v\], got \[3\]",
        ),
        ({"keypoints": [[1, "2"]]}, KeypointError, r'keypoint 0 .* got \[1, "2"\]'),
        ({"keypoints": [[1, True]]}, KeypointError, r"keypoint 0 .* got \[1, true\]"),
        (OWN | {"links": [[0, 1, 2]]}, LinkError, r"link 0 must be \[i, j\]"),
        (OWN | {"links": [[0, 1.5]]}, LinkError, r"link 0 must be \[i, j\], .* got \[0, 1\.5\]"),
        (OWN | {"links": "all"}, LinkError, "links must be a list"),
        (OWN | {"names": ["nose"]}, AnnotationError, "names must be a list of 3"),
        (OWN | {"box": [1, 2, 3]}, AnnotationError, r"box must be \[x, y, width, height\], got \[1, 2, 3\]"),
        (OWN | {"box": "all"}, AnnotationError, "box must be"),
        (OWN | {"image": 5}, AnnotationError, "image must be the name of an image, got 5"),
        ({"keypoints": [[10**400, 2]]}, AnnotationError, "a number in it is too large"),
        (OWN | {"box": [0, 0, 10**400, 1]}, AnnotationError, "a number in it is too large"),
    ],
)
def test_fault_in_own_is_named(tmp_path: Path, content: object, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as raised:
        read_annotation(_write(tmp_path, content))
    assert "a.json" in str(raised.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_annotation(tmp_path / "nowhere.json")


@pytest.mark.parametrize(("image", "x"), [("/data/cats/a.jpg", 1), ("dogs/a.jpg", 9)])
def test_coco_by_file_name(tmp_path: Path, image: str, x: float) -> None:
    annotation = read_annotation(_write(tmp_path, _coco()), image)
    assert annotation.keypoints[0, 0] == x
    assert annotation.image == image.removeprefix("/data/")


def test_coco_by_id(tmp_path: Path) -> None:
    annotation = read_annotation(f"{_write(tmp_path, _coco())}#70", "elsewhere.jpg")
    assert annotation.keypoints.tolist() == [[1, 2], [3, 4], [0, 0]]
    assert annotation.visible.tolist() == [True, True, False]
    assert (annotation.links, annotation.box) == ([[0, 1], [1, 2]], [0, 0, 9, 8])
    assert annotation.names == ["x", "y", "z"]
    assert annotation.notes == ()


def test_coco_with_one_annotation_needs_no_image(tmp_path: Path) -> None:
    content = _coco()
    content["annotations"] = content["annotations"][:1]
    assert read_annotation(_write(tmp_path, content)).box == [0, 0, 9, 8]


def test_quirks_of_coco_and_mp100(tmp_path: Path) -> None:
    content = _coco()
    category = content["categories"][0]
    category |= {
        "keypoints": [],
        "skeleton": [[1, 2], [2, 3], [2, 1], [2, 3]],
    }  # names missing, from 1, twice
    annotation = read_annotation(f"{_write(tmp_path, content)}#70")
    assert annotation.links == [[0, 1], [1, 2]]
    assert annotation.names is None
    assert annotation.notes == (
        "the skeleton counts keypoints from 1, as COCO's own files do: read so",
        "2 links are given twice and count once",
    )
    category["skeleton"] = []
    assert read_annotation(f"{_write(tmp_path, content)}#70").links is None
    category["skeleton"] = [[0, 1]]  # an unlinked last keypoint, as in MP-100's category 18
    assert len(read_annotation(f"{_write(tmp_path, content)}#70").keypoints) == 3


@pytest.mark.parametrize(
    ("suffix", "image", "says"),
    [
        ("#12", None, "none of 4 annotations answers to the id 12"),
        ("", "c.jpg", r"none of 4 annotations answers to the image c\.jpg"),
        ("", "dogs/b.jpg", r"2 annotations answer to the image b\.jpg: add #ID .* \(90, 91"),
        ("", "a.jpg", r"2 images are called a\.jpg, cats/a\.jpg, dogs/a\.jpg"),
        ("", None, "4 annotations answer to no image and no id: add #ID"),
    ],
)
def test_coco_without_one_answer(tmp_path: Path, suffix: str, image: str | None, says: str) -> None:
    with pytest.raises(AnnotationError, match=says):
        read_annotation(f"{_write(tmp_path, _coco())}{suffix}", image)


def test_faults_of_coco_are_named(tmp_path: Path) -> None:
    content = _coco()
    content["annotations"][0]["keypoints"] = [1, 2]
    with pytest.raises(
        KeypointError, match="annotation 70: expected keypoints as x, y, v triples, got 2 numbers"
    ):
        read_annotation(f"{_write(tmp_path, content)}#70")
    content = _coco()
    content["categories"][0]["skeleton"] = [[0, 5]]
    with pytest.raises(LinkError, match="names keypoint 5, but there are 3"):
        read_annotation(f"{_write(tmp_path, content)}#70")
    content = _coco()
    content["categories"] = []
    with pytest.raises(AnnotationError, match="annotation 70 names category 3: not there"):
        read_annotation(f"{_write(tmp_path, content)}#70")
    content = _coco()
    del content["annotations"][0]["category_id"]
    with pytest.raises(
        AnnotationError, match="is not a COCO file: an entry of it lacks the key 'category_id'"
    ):
        read_annotation(f"{_write(tmp_path, content)}#70")


@pytest.mark.parametrize(
    ("place", "key", "value", "says"),
    [
        ("annotations", "keypoints", [1, 2, "a"], "annotation 70: expected keypoints .* all numbers"),
        ("annotations", "keypoints", [1, 2, [2]], "annotation 70: expected keypoints .* all numbers"),
        ("annotations", "keypoints", "all", "annotation 70: expected keypoints .* all numbers"),
        ("annotations", "keypoints", [10**400, 2, 2], "a number in it is too large"),
        (
            "annotations",
            "bbox",
            [1, 2, "a", 3],
            r"annotation 70: bbox must be \[x, y, width, height\], got \[1, 2, \"a\", 3\]",
        ),
        ("images", "file_name", 5, "annotation 70: file_name must be the name of an image, got 5"),
        ("categories", "skeleton", [[0, 10**400]], "annotation 70: link 0, .* is out of range"),
    ],
)
def test_wrong_values_of_coco_are_one_line(
    tmp_path: Path, place: str, key: str, value: object, says: str
) -> None:
    content = _coco()
    content[place][0][key] = value
    with pytest.raises(AnnotationError, match=rf"a\.json: {says}") as raised:
        read_annotation(f"{_write(tmp_path, content)}#70")
    assert "\n" not in str(raised.value)


def test_annotations_that_are_no_objects(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.json is not a COCO file"):
        read_annotation(_write(tmp_path, {"images": [], "annotations": [5], "categories": []}))
    with pytest.raises(AnnotationError, match="expected the lists images, annotations, categories"):
        read_annotation(_write(tmp_path, {"images": [], "annotations": None, "categories": []}))


def test_id_behind_our_own_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"an annotation id \(#3\) belongs to a COCO file"):
        read_annotation(f"{_write(tmp_path, OWN)}#3")
