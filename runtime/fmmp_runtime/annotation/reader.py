# SPDX-License-Identifier: Apache-2.0
"""Annotations of one image: our own JSON, and the files of COCO and MP-100.

Ours: {"keypoints": [[x, y] or [x, y, v], ...], "links": [[i, j], ...], "box": [x, y, w, h], "names": [...],
"image": "file.jpg"}; all but the keypoints may be left out. Pixels from the top left; v = 0 hides a keypoint.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.pose import AnnotationError, KeypointError, LinkError, keypoint_count

OWN_KEYS = ("keypoints", "links", "box", "names", "image")


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotation:
    """Keypoints of one object in one image, in pixels."""

    keypoints: NDArray[np.float64]  # (K_c, 2) x, y
    visible: NDArray[np.bool_]  # (K_c,)
    links: list[list[int]] | None  # None: the file names none
    box: list[float] | None  # x, y, width, height
    names: list[str] | None  # of the keypoints
    image: str | None  # file name, as the annotation gives it
    notes: tuple[str, ...] = ()  # what was read otherwise than it stands there


def read_annotation(path: Path | str, image: Path | str | None = None) -> Annotation:
    """Read the annotation of one image.

    Args:
        path: our own JSON, or a COCO file; there, `file.json#123` picks the annotation with the id 123.
        image: for a COCO file without an id: the image whose annotation is wanted, found by its file name.

    Raises:
        OSError: no such file.
        AnnotationError: not JSON, an unknown key, keypoints or links of a wrong form, or a COCO file in which
            not exactly one annotation answers.
    """
    file, _, wanted = str(path).partition("#")
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise AnnotationError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise AnnotationError(
            f"{file} must hold a JSON object with the key 'keypoints', got {type(content).__name__}"
        )
    try:
        if "annotations" in content and "images" in content:
            return _from_coco(content, Path(image) if image is not None else None, wanted)
        if wanted:
            raise AnnotationError(f"an annotation id (#{wanted}) belongs to a COCO file, and this is none")
        return _from_ours(content)
    except AnnotationError as error:
        raise type(error)(f"{file}: {error}") from error
    except OverflowError as error:
        raise AnnotationError(f"{file}: a number in it is too large") from error
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise AnnotationError(f"{file} is not a COCO file: {type(error).__name__} {error}") from error


def _from_ours(content: Mapping[str, Any]) -> Annotation:
    unknown = sorted(set(content) - set(OWN_KEYS))
    if unknown or "keypoints" not in content:
        fault = f"unknown key {unknown[0]!r}" if unknown else "no key 'keypoints'"
        raise AnnotationError(f"{fault}; known keys are {', '.join(OWN_KEYS)}")
    points = content["keypoints"]
    if not isinstance(points, list) or not points:
        raise KeypointError("keypoints must be a list of [x, y] or [x, y, v]")
    for number, point in enumerate(points):
        if not isinstance(point, list) or len(point) not in (2, 3) or not all(_is_number(v) for v in point):
            raise KeypointError(f"keypoint {number} must be [x, y] or [x, y, v], got {json.dumps(point)}")
    names = content.get("names")
    if names is not None and (not isinstance(names, list) or len(names) != len(points)):
        raise AnnotationError(f"names must be a list of {len(points)}, one a keypoint")
    return Annotation(
        keypoints=np.array([point[:2] for point in points], np.float64),
        visible=np.array([len(point) == 2 or point[2] > 0 for point in points]),
        links=_pairs(content.get("links")),
        box=_box("box", content.get("box")),
        names=None if names is None else [str(name) for name in names],
        image=_file_name("image", content.get("image")),
    )


def _from_coco(content: Mapping[str, Any], image: Path | None, wanted: str) -> Annotation:
    annotation = _pick(content, image, wanted)
    category = next((c for c in content["categories"] if c["id"] == annotation["category_id"]), None)
    if category is None:
        raise AnnotationError(
            f"annotation {annotation['id']} names category {annotation['category_id']}: not there"
        )
    values = annotation["keypoints"]
    if not isinstance(values, list) or not all(_is_number(value) for value in values):
        raise KeypointError(f"annotation {annotation['id']} must hold keypoints [x, y, v, ...], all numbers")
    if not values or len(values) % 3:
        raise KeypointError(
            f"annotation {annotation['id']} must hold x, y, v triples, got {len(values)} numbers"
        )
    triples = np.array(values, np.float64).reshape(-1, 3)
    links, notes = _coco_links(_pairs(category.get("skeleton")) or [], len(triples))
    names = category.get("keypoints") or []
    named = (i["file_name"] for i in content["images"] if i["id"] == annotation["image_id"])
    return Annotation(
        keypoints=triples[:, :2],
        visible=triples[:, 2] > 0,
        links=links or None,
        box=_box("bbox", annotation.get("bbox")),
        names=[str(name) for name in names] if len(names) == len(triples) else None,
        image=_file_name("file_name", next(named, None)),
        notes=tuple(notes),
    )


def _pick(content: Mapping[str, Any], image: Path | None, wanted: str) -> Mapping[str, Any]:
    """The one annotation that was asked for, by its id or by the image."""
    found: list[Mapping[str, Any]]
    if wanted:
        found = [a for a in content["annotations"] if str(a["id"]) == wanted]
        asked = f"the id {wanted}"
    elif image is not None:
        ids = _images_named(content["images"], image)
        found = [a for a in content["annotations"] if a["image_id"] in ids and a.get("keypoints")]
        asked = f"the image {image.name}"
    else:
        found = [a for a in content["annotations"] if a.get("keypoints")]
        asked = "no image and no id"
    if len(found) == 1:
        return found[0]
    if not found:
        raise AnnotationError(f"none of {len(content['annotations'])} annotations answers to {asked}")
    some = ", ".join(str(a["id"]) for a in found[:5])
    raise AnnotationError(
        f"{len(found)} annotations answer to {asked}: add #ID to the file name ({some}, ...)"
    )


def _images_named(images: list[Mapping[str, Any]], image: Path) -> set[int]:
    """Ids of the images whose file name ends this path; failing that, whose last part is the same."""
    path = image.as_posix()
    exact = {i["id"] for i in images if path == i["file_name"] or path.endswith("/" + i["file_name"])}
    return exact or {i["id"] for i in images if Path(i["file_name"]).name == image.name}


def _coco_links(links: list[list[int]], count: int) -> tuple[list[list[int]], list[str]]:
    """Links counted from 0, each once; COCO's own files count from 1, MP-100 gives some links twice."""
    notes = []
    ends = [end for link in links for end in link]
    if ends and min(ends) >= 1 and max(ends) == count:
        links = [[start - 1, end - 1] for start, end in links]
        notes.append("the skeleton counts keypoints from 1, as COCO's own files do")
    keypoint_count(links, count)
    once = {(min(link), max(link)): link for link in reversed(links)}
    kept = [link for link in links if once[min(link), max(link)] is link]
    if len(kept) < len(links):
        notes.append(f"{len(links) - len(kept)} links are given twice and count once")
    return kept, notes


def _pairs(links: Any) -> list[list[int]] | None:  # noqa: ANN401  # whatever the JSON holds
    if links is None:
        return None
    if not isinstance(links, list):
        raise LinkError(f"links must be a list of [i, j], got {json.dumps(links)}")
    for number, link in enumerate(links):
        if not isinstance(link, list) or len(link) != 2 or not all(type(end) is int for end in link):
            raise LinkError(
                f"link {number} must be [i, j], two keypoint indices from 0, got {json.dumps(link)}"
            )
    return links


def _box(key: str, value: Any) -> list[float] | None:  # noqa: ANN401  # whatever the JSON holds
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4 or not all(_is_number(v) for v in value):
        raise AnnotationError(f"{key} must be [x, y, width, height], got {json.dumps(value)}")
    return [float(v) for v in value]


def _file_name(key: str, value: Any) -> str | None:  # noqa: ANN401  # whatever the JSON holds
    if value is not None and not isinstance(value, str):
        raise AnnotationError(f"{key} must be the name of an image, got {json.dumps(value)}")
    return value


def _is_number(value: Any) -> bool:  # noqa: ANN401  # whatever the JSON holds
    return type(value) in (int, float)
