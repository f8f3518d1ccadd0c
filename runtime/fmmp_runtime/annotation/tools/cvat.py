# SPDX-License-Identifier: Apache-2.0
"""'CVAT for images' XML: skeletons, or points with a label each."""

from collections.abc import Iterator
from xml.etree import ElementTree

from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.annotation.tools.named import NamedPoint, annotation_of, choose, pick_image
from fmmp_runtime.pose import AnnotationError

Element = ElementTree.Element


def read_cvat(text: str, request: Request) -> Annotation:
    """The keypoints of one object of one image; `#2` picks the second object, or the group 2.

    Raises:
        AnnotationError: not CVAT's XML of images, or not one object that answers.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise AnnotationError("no annotation file: a web page or another document with a DOCTYPE")
    try:
        root = ElementTree.fromstring(text.lstrip("\ufeff \t\r\n"))
    except (ElementTree.ParseError, ValueError) as error:
        raise AnnotationError(f"neither JSON nor XML: {error}") from error
    if root.tag != "annotations" or root.find("track") is not None:
        raise AnnotationError(
            f"XML with the root <{root.tag}>, expected <annotations> of <image>: export 'CVAT for images'"
        )
    pictures = {str(image.get("name")): image for image in root.iter("image")}
    names = pick_image(pictures, request)
    named = [name for name in names if any(True for _ in _objects(pictures[name]))]
    if len(named) != 1:
        raise AnnotationError(f"{len(named)} images with points answer: give the image, whose name chooses")
    image = pictures[named[0]]
    points = choose(dict(_objects(image)), request, "object")
    boxes = list(image.iter("box"))
    return annotation_of(
        points,
        box=_box(boxes[0]) if len(boxes) == 1 else None,
        image=named[0],
        size_hw=(int(image.get("height", 0)), int(image.get("width", 0))) if image.get("height") else None,
    )


def _objects(image: Element) -> Iterator[tuple[str, list[NamedPoint]]]:
    """Keypoints by object: a skeleton, several points under one label, or the single points of a group."""
    groups: dict[str, list[NamedPoint]] = {}
    for number, element in enumerate(image, 1):
        if element.tag == "skeleton":
            yield str(number), [p for each in element.iter("points") for p in _points(each)]
        elif element.tag == "points":
            points = _points(element)
            if len(points) > 1:
                yield str(number), points
            else:
                groups.setdefault(element.get("group_id", "0"), []).extend(points)
    yield from groups.items()


def _points(element: Element) -> list[NamedPoint]:
    pairs = [pair.split(",") for pair in element.get("points", "").split(";") if pair]
    shown = element.get("outside", "0") != "1"
    return [NamedPoint(element.get("label", ""), float(x), float(y), shown) for x, y in pairs]


def _box(element: Element) -> list[float]:
    left, top, right, below = (float(element.get(key, "nan")) for key in ("xtl", "ytl", "xbr", "ybr"))
    return [left, top, right - left, below - top]
