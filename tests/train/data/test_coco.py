# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmmp_runtime.media.image import write_image
from fmmp_train.data import DataError, find_annotations, read_annotations
from fmmp_train.data.examples.sources import load_image
from fmmp_train.data.pictures import read_picture
from fmmp_train.data.tools.check import check_folder

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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_byte_order_marks_and_utf16_are_read(
    write: Callable[[Content], Path], encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Field row 11."""
    file = write(small_set())
    file.write_bytes(file.read_text().encode(encoding))
    assert len(read_annotations(file).instances) == 3
    assert ("is in UTF-16" in caplog.text) == (encoding != "utf-8-sig")


def test_skeletons_that_count_from_one(
    write: Callable[[Content], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """Field row 4: what is certain is converted and said, what is not is asked."""
    content = small_set()
    content["categories"][1]["skeleton"] = [[1, 2], [2, 3], [3, 2]]
    data = read_annotations(write(content))
    assert data.categories[18].links.tolist() == [[0, 1], [1, 2], [2, 1]]  # each as often as it is there
    assert "category 18: the skeleton counts keypoints from 1" in caplog.text
    content["categories"][0]["skeleton"] = []
    content["categories"][1]["skeleton"] = [[1, 2]]
    with pytest.raises(DataError, match=r'train\.json: category 18: .*"links_from": 0 or 1 in the file'):
        read_annotations(write(content))
    assert read_annotations(write(content), links_from=1).categories[18].links.tolist() == [[0, 1]]
    content["links_from"] = 0
    assert read_annotations(write(content)).categories[18].links.tolist() == [[1, 2]]
    content["categories"][1]["links_from"] = 1
    assert read_annotations(write(content)).categories[18].links.tolist() == [[0, 1]]


def test_files_of_mp100_are_read_as_they_are(write: Callable[[Content], Path]) -> None:
    """Field rows 4 and 5: published numbers were made with them."""
    content = small_set()
    content["categories"][1] |= {"skeleton": [[1, 2]], "keypoints": ["one"]}
    content["annotations"][1]["num_keypoints"] = 1
    file = write(content)
    official = file.rename(file.with_name("mp100_split1_test.json"))
    data = read_annotations(official)
    assert data.categories[18].links.tolist() == [[1, 2]]
    assert all(instance.official for instance in data.instances)
    content["info"] = {"description": "CarFusion dataset Generated by MMPose Team"}
    assert read_annotations(write(content)).instances[0].official


@pytest.mark.parametrize(
    ("place", "change", "says"),
    [
        ("annotations", {"keypoints": [5, 6, 7, 8, 9, 1], "num_keypoints": 3}, "x, y pairs"),
        ("annotations", {"num_keypoints": 1}, "num_keypoints says 1, but 3 of 3"),
        ("annotations", {"keypoints": [5, 6, 9, 7, 8, 9, 1, 2, 9]}, "visibility 9"),
        ("categories", {"keypoints": ["left", "right"]}, "triples for 2 names"),
    ],
)
def test_contradictions_are_refused(
    write: Callable[[Content], Path], place: str, change: Content, says: str
) -> None:
    """Field row 5."""
    content = small_set()
    content[place][1].update(change)
    with pytest.raises(DataError, match=rf"train\.json: annotation 20: .*{says}"):
        read_annotations(write(content))


def test_hidden_without_a_position_is_hidden(write: Callable[[Content], Path]) -> None:
    """Field row 9."""
    content = small_set()
    content["annotations"][1]["keypoints"] = [5, 6, 2, None, float("nan"), 0, 9, 9, 2]
    instance = read_annotations(write(content)).instances_of(18)[0]
    assert instance.visible.tolist() == [True, False, True]
    assert instance.keypoints_px.tolist() == [[5, 6], [0, 0], [9, 9]]


@pytest.mark.parametrize("scale", [1, 100])
def test_coordinates_that_are_no_pixels(write: Callable[[Content], Path], scale: int) -> None:
    """Field row 6."""
    content = small_set()
    for picture in content["images"]:
        picture.update(width=640, height=480)
    for annotation in content["annotations"]:
        rows = [(0.1 * scale, 0.2 * scale, 2), (0.9 * scale, 0.4 * scale, 2), (0.5 * scale, 0.9 * scale, 2)]
        annotation["keypoints"] = [v for row in rows[: len(annotation["keypoints"]) // 3] for v in row]
        annotation["bbox"] = [0.1 * scale, 0.2 * scale, 0.8 * scale, 0.7 * scale]
    with pytest.raises(DataError, match=r"look normalised.* pixels are expected"):
        read_annotations(write(content))
    if scale == 100:
        content["units"] = "pixels"
        assert len(read_annotations(write(content)).instances) == 3


def test_nothing_usable_is_no_success(write: Callable[[Content], Path]) -> None:
    """Field row 12."""
    content = small_set()
    content["annotations"][0]["area"] = 0
    content["annotations"][1]["iscrowd"] = 1
    content["annotations"][2]["keypoints"] = []
    says = r"none of 3 annotations can be used: (?=.*1 without area)(?=.*1 crowds)(?=.*1 without keypoints)"
    with pytest.raises(DataError, match=says):
        read_annotations(write(content))
    content["annotations"] = []
    with pytest.raises(DataError, match="none of 0 annotations can be used: it has none"):
        read_annotations(write(content))
    content = small_set()
    content["annotations"][2]["area"] = 0
    assert read_annotations(write(content)).left_out == {"without area": 1}


SIZES = {(30, 20): "", (60, 40): "scaled by 0.5", (90, 60): "", (15, 10): "scaled by 2"}


@pytest.mark.parametrize(("found", "says"), SIZES.items())
def test_pictures_of_a_multiple_size_are_scaled(
    write: Callable[[Content], Path], found: tuple[int, int], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Field row 2: the annotated pixel stays under its keypoint."""
    content = small_set()
    content["annotations"][0]["keypoints"] = [10, 20, 2, 15, 5, 2, 0, 0, 0]
    file = write(content)
    image = np.zeros((*found, 3), np.uint8)
    zoom = found[0] / 30
    image[round(18 * zoom) : round(23 * zoom), round(8 * zoom) : round(13 * zoom)] = 255
    path = file.parent.parent / "images" / "a" / "1.png"
    path.parent.mkdir(exist_ok=True)
    write_image(path, image)
    path.rename(path.with_suffix(".jpg"))  # the content says what it is
    instance = next(i for i in read_annotations(file).instances if i.id == 50)
    picture = read_picture(instance)
    assert picture.shape == (30, 20, 3)
    assert picture[20, 10].tolist() == [255] * 3
    assert says in caplog.text


@pytest.mark.parametrize(
    ("found", "says"), [((31, 20), "no multiple"), ((20, 30), r"exchanged.*EXIF"), ((60, 20), "no multiple")]
)
def test_pictures_of_another_size_are_refused(
    write: Callable[[Content], Path], found: tuple[int, int], says: str
) -> None:
    """Field row 2, in training, evaluation and `fmmp-data check`; MP-100's are taken as they are."""
    file = write(small_set())
    path = file.parent.parent / "images" / "a" / "1.jpg"
    path.parent.mkdir(exist_ok=True)
    write_image(path, np.zeros((*found, 3), np.uint8))
    data = read_annotations(file)
    instance = next(i for i in data.instances if i.id == 50)
    sizes = f"is {found[1]} x {found[0]} pixels, the file says 20 x 30"
    with pytest.raises(DataError, match=rf"{sizes}.*{says}"):
        read_picture(instance)
    with pytest.raises(DataError, match=rf"{sizes}.*{says}"):
        load_image(instance, data.source)
    (report,), broken = check_folder(file.parent.parent)
    assert any(sizes in fault for fault in report.faults)
    assert broken[path] == "broken"
    official = read_annotations(file.rename(file.with_name("mp100_train.json")))
    assert read_picture(next(i for i in official.instances if i.id == 50)).shape == (*found, 3)


def test_check_tells_what_is_scaled_and_what_is_left_out(write: Callable[[Content], Path]) -> None:
    content = small_set()
    content["annotations"][2]["iscrowd"] = 1
    file = write(content)
    for name, size in (("a/1.jpg", (60, 40)), ("b/2.jpg", (40, 60))):
        path = file.parent.parent / "images" / name
        path.parent.mkdir(exist_ok=True)
        write_image(path, np.zeros((*size, 3), np.uint8))
    (report,), _ = check_folder(file.parent.parent)
    assert report.sound
    assert "annotations left out: 1 crowds" in report.remarks
    assert any("1.jpg is 2 times as large as train.json says: scaled when read" in r for r in report.remarks)
