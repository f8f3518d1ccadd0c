# SPDX-License-Identifier: Apache-2.0
"""Files of other tools, made here as those tools write them (row 18)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmmp_runtime.annotation import Annotation, read_annotation
from fmmp_runtime.media.image import write_image
from fmmp_runtime.pose import AnnotationError, BoxError

POINTS = {"nose": (40.0, 150.0), "left eye": (120.5, 90.0), "tail": (310.0, 220.0)}
BOX = [30.0, 80.0, 285.0, 150.0]
HEIGHT, WIDTH = 240, 320


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    write_image(tmp_path / "cat.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    return tmp_path / "cat.png"


def _read(picture: Path, text: str, name: str, wanted: str = "") -> Annotation:
    (picture.parent / name).write_text(text)
    return read_annotation(f"{picture.parent / name}{wanted}", picture)


def _check(annotation: Annotation, *, names: bool = True, box: bool = True) -> None:
    np.testing.assert_allclose(annotation.keypoints, list(POINTS.values()), rtol=0, atol=1e-9)
    assert annotation.visible.all()
    assert annotation.names == (list(POINTS) if names else None)
    assert annotation.links is None
    if box:
        np.testing.assert_allclose(annotation.box or [], BOX, rtol=0, atol=1e-9)
    else:
        assert annotation.box is None


def _labelme() -> dict[str, Any]:
    corners = [[BOX[0] + BOX[2], BOX[1]], [BOX[0], BOX[1] + BOX[3]]]  # drawn from the upper right
    shapes = [
        {"label": n, "points": [p], "group_id": 1, "shape_type": "point", "flags": {}}
        for n, p in POINTS.items()
    ]
    shapes.append({"label": "cat", "points": corners, "group_id": 1, "shape_type": "rectangle", "flags": {}})
    head: dict[str, Any] = {"version": "5.5.0", "flags": {}, "imagePath": "..\\cat.png", "imageData": None}
    return head | {"shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH}


def test_labelme(picture: Path) -> None:
    content = _labelme()
    _check(_read(picture, json.dumps(content), "a.json"))
    for shape in content["shapes"]:
        shape["group_id"] = None
    _check(_read(picture, json.dumps(content), "a.json"))
    content["shapes"].append({"label": "nose", "points": [[1, 2]], "group_id": 2, "shape_type": "point"})
    with pytest.raises(
        AnnotationError, match=r"2 objects: add #ID .* the group_id that is wanted \(None, 2\)"
    ):
        _read(picture, json.dumps(content), "a.json")
    _check(_read(picture, json.dumps(content), "a.json", "#None"))
    assert _read(picture, json.dumps(content), "a.json", "#2").keypoints.tolist() == [[1, 2]]
    content["imageWidth"] = 300
    with pytest.raises(AnnotationError, match="320 x 240 pixels, the file says 300 x 240"):
        _read(picture, json.dumps(content), "a.json", "#2")


def test_a_box_that_is_no_place_is_refused(picture: Path) -> None:
    content = _labelme()
    content["shapes"][-1]["points"][0][0] = 1e308
    with pytest.raises(BoxError, match="box must be four finite numbers of pixels"):
        _read(picture, json.dumps(content), "a.json")
    tasks = _label_studio()
    tasks[0]["annotations"][0]["result"][3]["value"]["width"] = float("inf")
    with pytest.raises(BoxError, match="box must be four finite numbers of pixels"):
        _read(picture, json.dumps(tasks), "a.json")
    text = CVAT.format("").replace("315.00", "1e300")
    points = "".join(f'<points label="{n}" points="{x},{y}"/>' for n, (x, y) in POINTS.items())
    with pytest.raises(BoxError, match="box must be four finite numbers of pixels"):
        _read(picture, text.replace("</image></annotations>", f"{points}</image></annotations>"), "a.xml")


def test_labelme_without_a_point(picture: Path) -> None:
    content = _labelme()
    content["shapes"] = content["shapes"][-1:]
    with pytest.raises(AnnotationError, match="no group_id with keypoints"):
        _read(picture, json.dumps(content), "a.json")
    content = _labelme()
    content["shapes"][1]["label"] = "nose"
    with pytest.raises(AnnotationError, match="two keypoints are called 'nose'"):
        _read(picture, json.dumps(content), "a.json")


def _label_studio() -> list[dict[str, Any]]:
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    results: list[dict[str, Any]] = [
        size
        | {
            "type": "keypointlabels",
            "value": {"x": 100 * x / WIDTH, "y": 100 * y / HEIGHT, "width": 0.3, "keypointlabels": [name]},
        }
        for name, (x, y) in POINTS.items()
    ]
    x, y, width, height = BOX
    value = {
        "x": 100 * x / WIDTH,
        "y": 100 * y / HEIGHT,
        "width": 100 * width / WIDTH,
        "height": 100 * height / HEIGHT,
    }
    results.append(size | {"type": "rectanglelabels", "value": value | {"rectanglelabels": ["cat"]}})
    task = {
        "id": 12,
        "data": {"img": "/data/upload/1/0ab12cd3-cat.png"},
        "annotations": [{"id": 1, "result": results}],
    }
    return [task, {"id": 13, "data": {"img": "/data/upload/1/dog.png"}, "annotations": []}]


def test_label_studio(picture: Path) -> None:
    tasks = _label_studio()
    _check(_read(picture, json.dumps(tasks), "a.json"))
    _check(_read(picture, json.dumps(tasks[0]), "a.json"))
    _check(_read(picture, json.dumps(tasks), "a.json", "#12"))
    short = {"id": 12, "image": "/data/upload/1/cat.png"}
    values = [
        r["value"] | {"original_width": WIDTH, "original_height": HEIGHT}
        for r in tasks[0]["annotations"][0]["result"]
    ]
    _check(_read(picture, json.dumps([short | {"kp": values[:3], "box": values[3:]}]), "a.json"))
    with pytest.raises(AnnotationError, match="task 13 has 0 annotations"):
        _read(picture, json.dumps(tasks), "a.json", "#13")
    results = tasks[0]["annotations"][0]["result"]
    results[0]["image_rotation"] = 90
    with pytest.raises(AnnotationError, match="was turned in Label Studio"):
        _read(picture, json.dumps(tasks), "a.json")
    results[0]["image_rotation"] = 0
    results[3]["value"]["rotation"] = 5
    with pytest.raises(AnnotationError, match="a box in it is rotated"):
        _read(picture, json.dumps(tasks), "a.json")
    results[3]["value"]["rotation"] = 0
    del tasks[0]["annotations"][0]["result"][1]["original_width"]
    with pytest.raises(AnnotationError, match="lacks original_width"):
        _read(picture, json.dumps(tasks), "a.json")


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta></meta>
<image id="0" name="set/dog.png" width="9" height="9"><points label="nose" points="1.0,2.0"/></image>
<image id="1" name="set/cat.png" width="320" height="240">
<box label="cat" xtl="30.00" ytl="80.00" xbr="315.00" ybr="230.00"/>{}</image></annotations>"""


def test_cvat(picture: Path) -> None:
    at = {name: f"{x:.2f},{y:.2f}" for name, (x, y) in POINTS.items()}
    each = "".join(
        f'<points label="{n}" outside="0" occluded="1" points="{p}"></points>' for n, p in at.items()
    )
    _check(_read(picture, CVAT.format(f'<skeleton label="cat" z_order="0">{each}</skeleton>'), "a.xml"))
    _check(_read(picture, CVAT.format(each), "a.xml"))
    one = f'<points label="cat" occluded="0" points="{";".join(at.values())}"></points>'
    _check(_read(picture, CVAT.format(one), "a.xml"), names=False)
    hidden = _read(picture, CVAT.format(each.replace('outside="0"', 'outside="1"', 1)), "a.xml")
    assert hidden.visible.tolist() == [False, True, True]
    with pytest.raises(AnnotationError, match="2 objects: add #ID"):
        _read(picture, CVAT.format(one + one), "a.xml")
    with pytest.raises(AnnotationError, match="0 images with points"):
        _read(picture, CVAT.format(""), "a.xml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<html><body>Sign in</body></html>", "root <html>, expected <annotations>"),
        ("<annotations><track id='0'></track></annotations>", "CVAT for images"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "DOCTYPE"),
        ("<annotations><image>", "neither JSON nor XML"),
        (
            "<annotations><image name='cat.png'><points points='a,b'/></image></annotations>",
            "is not an annotation file",
        ),
    ],
)
def test_xml_that_is_not_cvats(picture: Path, text: str, says: str) -> None:
    with pytest.raises(AnnotationError, match=says):
        _read(picture, text, "a.xml")


def _yolo(flags: bool) -> str:
    x, y, width, height = BOX
    values = [(x + width / 2) / WIDTH, (y + height / 2) / HEIGHT, width / WIDTH, height / HEIGHT]
    for x, y in POINTS.values():
        values += [x / WIDTH, y / HEIGHT, *([2] if flags else [])]
    return "0 " + " ".join(map(repr, values)) + "\n"


@pytest.mark.parametrize("flags", [True, False])
def test_yolo_pose(picture: Path, flags: bool) -> None:
    annotation = _read(picture, _yolo(flags), "a.txt")
    _check(annotation, names=False)
    assert "fractions of 320 x 240" in annotation.notes[0]
    with pytest.raises(AnnotationError, match="2 objects: add #ID"):
        _read(picture, _yolo(flags) * 2, "a.txt")
    _check(_read(picture, _yolo(flags) * 2, "a.txt", "#2"), names=False)
    with pytest.raises(AnnotationError, match="give the image too"):
        read_annotation(picture.parent / "a.txt")


@pytest.mark.parametrize(
    ("line", "says"), [("0 0.5 0.5 0.1 0.1", "a line has 5 numbers"), ("0 5 5 2 2 7 8", "are not")]
)
def test_yolo_labels_that_are_no_poses(picture: Path, line: str, says: str) -> None:
    with pytest.raises(AnnotationError, match=says):
        _read(picture, line, "a.txt")


def test_deeplabcut(picture: Path) -> None:
    parts = [name for name in POINTS for _ in "xy"]
    rows = [["scorer", "", "", *["Ada"] * 6], ["bodyparts", "", "", *parts], ["coords", "", "", *"xyxyxy"]]
    values = [str(v) for point in POINTS.values() for v in point]
    rows += [["labeled-data", "film", "dog.png", *["1"] * 6], ["labeled-data", "film", "cat.png", *values]]
    text = "\n".join(map(",".join, rows))
    _check(_read(picture, text, "CollectedData_Ada.csv"), box=False)
    hidden = _read(picture, text.replace("120.5,90.0", ","), "CollectedData_Ada.csv")
    assert hidden.visible.tolist() == [True, False, True]
    with pytest.raises(AnnotationError, match=r"has x = '120\.5' and y = '': expected both"):
        _read(picture, text.replace("120.5,90.0", "120.5,"), "CollectedData_Ada.csv")
    with pytest.raises(AnnotationError, match=r"none of its 2 images is called cat\.png"):
        _read(picture, text.replace("cat.png", "cow.png"), "CollectedData_Ada.csv")
    animals = ",".join(["individuals", "", "", *["a"] * 3, *["b"] * 3])
    with pytest.raises(AnnotationError, match="2 animals a row"):
        _read(picture, text.replace("bodyparts", f"{animals}\nbodyparts"), "CollectedData_Ada.csv")


@pytest.mark.parametrize(
    ("content", "tool"),
    [
        ({"cat.png123": {"filename": "cat.png", "size": 123, "regions": []}}, "VIA"),
        ({"_via_settings": {}, "_via_img_metadata": {}}, "VIA"),
        ({"version": 1.3, "people": [{"pose_keypoints_2d": []}]}, "OpenPose"),
        ({"skeletons": [], "videos": [], "labels": []}, "SLEAP"),
        ({"info": {}, "categories": {}, "items": []}, "Datumaro"),
        ({"version": "2.0", "item": {}, "annotations": []}, "V7 Darwin"),
        ({"description": "", "tags": [], "size": {}, "objects": []}, "Supervisely"),
        ([{"image_id": 1, "category_id": 1, "keypoints": [], "score": 1}], "COCO results"),
        ({"annotations": [], "categories": []}, "COCO without its list of images"),
    ],
)
def test_a_tool_whose_files_are_not_read_is_named(picture: Path, content: object, tool: str) -> None:
    with pytest.raises(AnnotationError, match=rf"a\.json looks like a file of {tool}"):
        _read(picture, json.dumps(content), "a.json")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x89HDF\r\n\x1a\n", "HDF5 file, as SLEAP"),
        (b"PK\x03\x04", "archive"),
        (b"\xff\xd8\xff", "JPEG picture"),
    ],
)
def test_what_is_no_text_is_named(picture: Path, data: bytes, says: str) -> None:
    file = picture.parent / "labels.slp"
    file.write_bytes(data)
    with pytest.raises(AnnotationError, match=says):
        read_annotation(file, picture)
