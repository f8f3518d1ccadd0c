# SPDX-License-Identifier: Apache-2.0
"""What people bring: read right, or refused with the reason."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmmp_runtime.annotation import read_annotation
from fmmp_runtime.media.image import write_image
from fmmp_runtime.pose import AnnotationError, BoxError, KeypointError, LinkError

POINTS = [[40.0, 150.0], [120.5, 90.0], [200.0, 30.0], [310.0, 220.0]]  # of a picture of 321 x 241
NAMES = ["nose", "eye", "paw", "tail"]
HEIGHT, WIDTH = 241, 321


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_image(tmp_path / "cat.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    return tmp_path / "cat.png"


def _coco(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  # whatever JSON holds
    """One annotation; the changes go where their keys belong."""
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "cat.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [
            {
                "id": 5,
                "image_id": 1,
                "category_id": 2,
                "keypoints": [v for x, y in POINTS for v in (x, y, 2)],
                "num_keypoints": 4,
                "bbox": [30, 20, 285, 210],
            }
        ],
        "categories": [{"id": 2, "name": "cat", "keypoints": NAMES, "skeleton": [[0, 1], [1, 2], [2, 3]]}],
    }
    for key, value in changes.items():
        place = {"file_name": "images", "width": "images", "height": "images"}.get(key, "annotations")
        place = "categories" if key in ("skeleton", "names") else place
        content[place][0]["keypoints" if key == "names" else key] = value
    return content


def _write(folder: Path, content: object, name: str = "a.json") -> Path:
    (folder / name).write_text(json.dumps(content))
    return folder / name


@pytest.mark.parametrize(
    ("declared", "factor"),
    [((160, 120), 2), ((161, 121), 2), ((642, 482), 0.5), ((107, 81), 3), ((81, 61), 4)],
)
def test_declared_size_is_a_multiple(picture: Path, declared: tuple[int, int], factor: float) -> None:
    """Row 2, with sides rounded either way."""
    points = np.array(POINTS) / factor
    content = _coco(
        width=declared[0],
        height=declared[1],
        keypoints=[v for x, y in points.tolist() for v in (x, y, 2)],
        bbox=(np.array([30, 20, 285, 210]) / factor).tolist(),
    )
    annotation = read_annotation(_write(picture.parent, content), picture)
    np.testing.assert_allclose(annotation.keypoints, POINTS, rtol=0, atol=1e-9)
    np.testing.assert_allclose(annotation.box or [], [30, 20, 285, 210], rtol=0, atol=1e-9)
    (note,) = annotation.notes
    assert f"{declared[0]} x {declared[1]} pixels, cat.png has 321 x 241: scaled by {factor:g}" in note


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ((300, 241), "no multiple"),
        ((160, 80), "no multiple"),  # twice as wide, three times as high
        ((642, 241), "no multiple"),
        ((241, 321), r"exchanged.*EXIF"),
        ((160, 120), "keypoints lie outside"),  # the points are those of the whole picture
        ((160, 0), "must both be whole numbers"),
        (("321", "241"), "must both be whole numbers"),
    ],
)
def test_declared_size_contradicts_the_picture(picture: Path, declared: tuple[Any, Any], says: str) -> None:
    """Row 2: both sizes are named."""
    file = _write(picture.parent, _coco(width=declared[0], height=declared[1]))
    with pytest.raises(AnnotationError, match=says) as raised:
        read_annotation(file, picture)
    assert "whole numbers" in says or f"321 x 241 pixels, the file says {declared[0]} x {declared[1]}" in str(
        raised.value
    )


def test_declared_size_of_our_own_file(picture: Path) -> None:
    own = {"keypoints": [[20, 75], [150, 45]], "width": 160, "height": 120}
    annotation = read_annotation(_write(picture.parent, own), picture)
    assert annotation.keypoints.tolist() == [[40, 150], [300, 90]]
    own = {"keypoints": [[20, 75], [150, 45]]}
    assert read_annotation(_write(picture.parent, own), picture).keypoints.tolist() == [[20, 75], [150, 45]]


ONE_BASED = [[1, 2], [2, 3], [3, 4]]


def test_skeleton_that_counts_from_one_for_certain(tmp_path: Path) -> None:
    """Row 4: an index is that of the number of keypoints, and none is 0."""
    for content in (_coco(skeleton=ONE_BASED), {"keypoints": POINTS, "links": ONE_BASED}):
        annotation = read_annotation(_write(tmp_path, content))
        assert annotation.links == [[0, 1], [1, 2], [2, 3]]
        assert "counts keypoints from 1" in annotation.notes[0]


@pytest.mark.parametrize(("first", "links"), [(0, [[1, 2], [2, 3]]), (1, [[0, 1], [1, 2]])])
def test_skeleton_that_may_count_from_either(tmp_path: Path, first: int, links: list[list[int]]) -> None:
    """Row 4: the first or the last keypoint has no link; only the user knows which."""
    coco, own = _coco(skeleton=[[1, 2], [2, 3]]), {"keypoints": POINTS, "links": [[1, 2], [2, 3]]}
    for content in (coco, own):
        file = _write(tmp_path, content)
        with pytest.raises(LinkError, match=r'a\.json.*"links_from": 0 or 1 in the file.*--links-from 0\|1'):
            read_annotation(file)
        assert read_annotation(file, links_from=first).links == links
        assert read_annotation(_write(tmp_path, content | {"links_from": first})).links == links
    coco["categories"][0]["links_from"] = first
    assert read_annotation(_write(tmp_path, coco)).links == links
    with pytest.raises(LinkError, match="links_from must be 0 or 1"):
        read_annotation(_write(tmp_path, own | {"links_from": 2}))


def test_skeletons_of_mp100_count_from_zero(tmp_path: Path) -> None:
    """Row 4: its own files are exempt, by their name or by what they say of themselves."""
    content = _coco(skeleton=[[1, 2], [2, 3]], names=[])
    file = _write(tmp_path, content, "mp100_split1_test.json")
    assert read_annotation(file).links == [[1, 2], [2, 3]]
    content["info"] = {"description": "CarFusion dataset Generated by MMPose Team"}
    assert read_annotation(_write(tmp_path, content)).links == [[1, 2], [2, 3]]


FLAT = [v for point in POINTS for v in point]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"keypoints": [*FLAT, *FLAT, *FLAT][:12], "names": ["a"] * 6, "num_keypoints": 6},
            "look like x, y pairs",
        ),
        ({"keypoints": FLAT}, "8 numbers; they look like x, y pairs"),
        ({"keypoints": FLAT[:6], "names": [], "num_keypoints": 3}, "x, y pairs"),
        ({"keypoints": FLAT[:6], "names": [], "num_keypoints": None}, "x, y pairs"),
        ({"names": NAMES[:3]}, "triples for 3 names, got 12 numbers, which are 4 triples"),
        ({"num_keypoints": 3}, r"num_keypoints says 3, but 4 of 4 triples"),
        ({"num_keypoints": "four"}, 'num_keypoints must be a whole number, got "four"'),
        ({"num_keypoints": [4]}, r"num_keypoints must be a whole number, got \[4\]"),
        ({"keypoints": [1e300, 5, 2] * 4}, "keypoint 0 is not finite or no pixel"),
        ({"bbox": [0, 0, 1e300, 5]}, "bbox must be four finite numbers of pixels"),
        ({"skeleton": [[0, 4]]}, "names keypoint 4, but there are 4 keypoints, 0 to 3"),
        ({"skeleton": [["nose", "eye"]]}, r"link 0 must be \[i, j\]"),
        ({"keypoints": [1, 2, 7] * 4}, "visibility 7: expected 0"),
        ({"bbox": [30, 20, 315, 230]}, "looks like two corners"),
    ],
)
def test_contradictions_in_coco(picture: Path, changes: dict[str, Any], says: str) -> None:
    """Row 5: nothing is dropped silently."""
    with pytest.raises(AnnotationError, match=says):
        read_annotation(_write(picture.parent, _coco(**changes)), picture)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"keypoints": POINTS, "names": NAMES[:2]}, "names must be a list of 4, one a keypoint, got 2"),
        ({"keypoints": [[1, 2, 9]]}, "visibility 9"),
        ({"keypoints": POINTS, "links": [[0, 7]]}, "names keypoint 7, but there are 4"),
        ({"keypoints": FLAT}, r"keypoint 0 must be \[x, y\]"),
    ],
)
def test_contradictions_in_our_own(tmp_path: Path, content: dict[str, Any], says: str) -> None:
    with pytest.raises(AnnotationError, match=says):
        read_annotation(_write(tmp_path, content))


@pytest.mark.parametrize("num_keypoints", [4, 3, 2])
def test_counts_that_tools_write(tmp_path: Path, num_keypoints: int) -> None:
    """All, the labelled, or the visible ones: none of these contradicts."""
    flags = [2, 2, 1, 0]
    values = [v for (x, y), flag in zip(POINTS, flags, strict=True) for v in (x, y, flag)]
    content = _coco(keypoints=values, num_keypoints=num_keypoints)
    assert read_annotation(_write(tmp_path, content)).visible.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "scale", [(1 / WIDTH, 1 / HEIGHT), (2 / WIDTH, 2 / HEIGHT), (100 / WIDTH, 100 / HEIGHT)]
)
@pytest.mark.parametrize("kind", ["own", "coco"])
def test_coordinates_that_are_no_pixels(picture: Path, scale: tuple[float, float], kind: str) -> None:
    """Row 6: fractions from 0 to 1 or -1 to 1, and percents."""
    points = np.array(POINTS) * scale - (1 if scale[0] == 2 / WIDTH else 0)
    own = {"keypoints": points.tolist()}
    coco = _coco(keypoints=[v for x, y in points.tolist() for v in (x, y, 2)])
    del coco["annotations"][0]["bbox"]
    content = own if kind == "own" else coco
    with pytest.raises(KeypointError, match=r"look normalised.*pixels are expected"):
        read_annotation(_write(picture.parent, content), picture)
    content["units"] = "pixels"
    np.testing.assert_array_equal(read_annotation(_write(picture.parent, content), picture).keypoints, points)
    content["units"] = "percent"
    with pytest.raises(AnnotationError, match='units must be "pixels"'):
        read_annotation(_write(picture.parent, content), picture)


def test_small_objects_are_pixels(picture: Path) -> None:
    for points in ([[0, 0]], [[3, 4], [5, 6]], [[90, 90], [110, 95]], [[60, 60], [80, 75]]):
        assert read_annotation(_write(picture.parent, {"keypoints": points}), picture).notes == ()


@pytest.mark.parametrize("nothing", [float("nan"), None, float("inf")])
def test_hidden_is_hidden_whatever_the_numbers(tmp_path: Path, nothing: float | None) -> None:
    """Row 9."""
    rows: list[list[float | None]] = [
        [*POINTS[0], 2],
        [nothing, nothing, 0],
        [*POINTS[2], 1],
        [5, nothing, -1],
    ]
    own = read_annotation(_write(tmp_path, {"keypoints": rows}))
    coco = read_annotation(_write(tmp_path, _coco(keypoints=[v for row in rows for v in row])))
    for annotation in (own, coco):
        assert annotation.visible.tolist() == [True, False, True, False]
        assert np.isfinite(annotation.keypoints).all()
    bare = [POINTS[0], [nothing, 5], None if nothing is None else [nothing, nothing]]
    annotation = read_annotation(_write(tmp_path, {"keypoints": bare}))
    assert annotation.visible.tolist() == [True, False, False]
    assert annotation.notes == ("keypoints without a position count as hidden: [1, 2]",)
    for content in ({"keypoints": [[nothing, 5, 2]]}, _coco(keypoints=[nothing, 5, 2] * 4)):
        with pytest.raises(KeypointError, match=r"keypoint 0 is not finite.*marked as visible"):
            read_annotation(_write(tmp_path, content))


def test_annotation_without_keypoints_is_named(tmp_path: Path) -> None:
    """Row 10, first case: CVAT's points never reach its COCO files."""
    content = _coco()
    del content["annotations"][0]["keypoints"]
    with pytest.raises(
        AnnotationError, match=r"1 annotations of the image cat\.png: 1 without keypoints; CVAT"
    ):
        read_annotation(_write(tmp_path, content), "cat.png")


def test_back_slash_separates_folders(tmp_path: Path) -> None:
    """Row 10, second case."""
    file = _write(tmp_path, _coco(file_name="sub\\cat.png"))
    annotation = read_annotation(file, "/data/sub/cat.png")
    assert (annotation.image, annotation.notes) == ("sub/cat.png", ())
    assert read_annotation(_write(tmp_path, _coco(file_name=".\\cat.png")), "/x/cat.png").notes == ()
    assert read_annotation(_write(tmp_path, _coco(file_name="C:\\x\\cat.png")), "/x/cat.png").notes


def test_another_folder_is_told(tmp_path: Path) -> None:
    """Row 10, third case."""
    content = _coco(file_name="b/cat.png")
    (note,) = read_annotation(_write(tmp_path, content), "/data/a/cat.png").notes
    assert note == "annotated is b/cat.png, this picture is in another folder, a"
    content["images"].insert(0, {"id": 9, "file_name": "a/cat.png", "width": WIDTH, "height": HEIGHT})
    file = _write(tmp_path, content)
    with pytest.raises(AnnotationError, match=r"annotated is b/cat\.png, in another folder: add #ID"):
        read_annotation(file, "/data/a/cat.png")
    with pytest.raises(AnnotationError, match=r"2 images are called cat\.png, a/cat\.png, b/cat\.png"):
        read_annotation(file, "/data/c/cat.png")
    assert read_annotation(file, "/data/b/cat.png").notes == ()
    assert read_annotation(f"{file}#5", "/data/a/cat.png").notes == ()


def test_letters_of_a_file_name_may_be_composed_or_not(tmp_path: Path) -> None:
    file = _write(tmp_path, _coco(file_name="Ka\u0308tzchen.png"))
    assert read_annotation(file, "K\u00e4tzchen.png").notes == ()


@pytest.mark.parametrize(
    "other", [{"keypoints": [0, 0, 0] * 4, "num_keypoints": 0}, {"iscrowd": 1}, {"keypoints": []}]
)
def test_what_cannot_be_used_is_left_out_first(tmp_path: Path, other: dict[str, Any]) -> None:
    """Row 10, fourth case."""
    content = _coco()
    content["annotations"].insert(0, content["annotations"][0] | {"id": 4} | other)
    annotation = read_annotation(_write(tmp_path, content), "cat.png")
    assert annotation.visible.all()
    assert annotation.notes[0].startswith("left out for the image cat.png: 1 ")
    with pytest.raises(AnnotationError, match="no keypoints to use in the 1 annotations of the id 4"):
        read_annotation(f"{tmp_path / 'a.json'}#4")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_is_read_and_said(tmp_path: Path, encoding: str) -> None:
    """Row 11."""
    file = tmp_path / "a.json"
    file.write_bytes(json.dumps(_coco(names=["n\u00e4se", *NAMES[1:]]), ensure_ascii=False).encode(encoding))
    annotation = read_annotation(file)
    assert (annotation.names or [])[0] == "n\u00e4se"
    assert f"a.json is in UTF-{encoding[4:6]}, read as such" in annotation.notes


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"keypoints":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"keypoints": ' + b'{"a":' * 100_000, "nested too deeply"),
        (b"<a>" * 100_000, "neither JSON nor XML"),
        (b'{"keypoints": [[5, 6]], "keypoints": [[7, 8]]}', "'keypoints' stands twice"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b'{"keypoints": [[1e400, 5, 2]]}', "keypoint 0 is not finite"),
        (b'{"keypoints": [[1' + b"0" * 400 + b", 5]]}", "too large"),
        (b'{"keypoints": [[5, 6, 1' + b"0" * 400 + b"]]}", "too large"),
        (b'{"keypoints": [[5, 6]], "box": [0, 0, 1' + b"0" * 400 + b", 5]}", "too large"),
        (b'{"keypoints": null}', "keypoints must be a list"),
        (b'{"keypoints": [[5, 6]], "box": [0, 0, null, 5]}', r"box must be \[x, y, width, height\]"),
        (b'{"keypoints": [[5, 6]], "box": [0, 0, NaN, 5]}', "box must be four finite"),
        (b"null", "must hold a JSON object"),
    ],
)
def test_hostile_text_is_one_line(tmp_path: Path, data: bytes, says: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(data)
    with pytest.raises(AnnotationError, match=says) as raised:
        read_annotation(file)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", Path("/dev/zero")):
        with pytest.raises(OSError, match="is not a regular file"):
            read_annotation(path)
    with pytest.raises(IsADirectoryError):
        read_annotation(tmp_path)


def test_a_number_sign_may_be_part_of_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "set #1"
    folder.mkdir()
    file = _write(folder, _coco(), "a#b.json")
    assert read_annotation(file).visible.all()
    assert read_annotation(f"{file}#5").visible.all()


def test_box_of_corners_is_taken_as_a_box_where_it_fits(picture: Path) -> None:
    inside = _coco(bbox=[30, 20, 285, 215])
    assert read_annotation(_write(picture.parent, inside), picture).box == [30, 20, 285, 215]
    with pytest.raises(BoxError, match="looks like two corners"):
        read_annotation(_write(picture.parent, _coco(bbox=[30, 20, 320, 240])), picture)
