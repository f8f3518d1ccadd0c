# SPDX-License-Identifier: Apache-2.0
"""Our own JSON: {"keypoints": [[x, y] or [x, y, v], ...], "links": [[i, j], ...], "box": [x, y, w, h], ...}.

Pixels from the top left; v = 0 hides a keypoint. All but the keypoints may be left out.
"""

from collections.abc import Mapping
from typing import Any

from fmmp_runtime.annotation.content import shorten
from fmmp_runtime.annotation.points import check_names, read_box, read_rows
from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.annotation.skeleton import read_links
from fmmp_runtime.pose import AnnotationError

KEYS = ("keypoints", "links", "box", "names", "image", "width", "height", "links_from", "units")


def read_own(content: Mapping[str, Any], request: Request) -> Annotation:
    """Read our own JSON.

    Raises:
        AnnotationError: an unknown key, or a value of a wrong form.
    """
    unknown = sorted(set(content) - set(KEYS))
    if unknown or "keypoints" not in content:
        fault = f"unknown key {unknown[0]!r}" if unknown else "no key 'keypoints'"
        raise AnnotationError(f"{fault}; known keys are {', '.join(KEYS)}")
    points, visible, notes = read_rows(content["keypoints"])
    links_from = content.get("links_from") if request.links_from is None else request.links_from
    links, more = read_links(content.get("links"), len(points), links_from=links_from)
    return Annotation(
        keypoints=points,
        visible=visible,
        links=None if content.get("links") is None else links,
        box=read_box("box", content.get("box")),
        names=check_names(content.get("names"), len(points)),
        image=file_name("image", content.get("image")),
        size_hw=declared_size(content, "height", "width"),
        units=read_units(content),
        notes=(*notes, *more),
    )


def file_name(key: str, value: Any) -> str | None:  # noqa: ANN401  # whatever the JSON holds
    """The name of an image with / between folders; None where there is none."""
    if value is not None and not isinstance(value, str):
        raise AnnotationError(f"{key} must be the name of an image, got {shorten(value)}")
    return value if value is None else value.replace("\\", "/")


def declared_size(content: Mapping[str, Any], height: str, width: str) -> tuple[int, int] | None:
    """Height and width that a file declares; None where it has none, or 0 as some tools write.

    Raises:
        AnnotationError: one of them is no whole number from 0, or only one is there.
    """
    values = content.get(height) or 0, content.get(width) or 0
    if any(type(v) not in (int, float) or v != v or v < 0 or v % 1 for v in values) or (not values[0]) != (
        not values[1]
    ):
        raise AnnotationError(
            f"{width} and {height} must both be whole numbers of pixels, got {shorten(content.get(width))} "
            f"and {shorten(content.get(height))}"
        )
    return (int(values[0]), int(values[1])) if values[0] else None


def read_units(content: Mapping[str, Any]) -> str | None:
    """The key "units", which can only be pixels: it ends all guessing from the numbers."""
    if content.get("units") not in (None, "pixels"):
        raise AnnotationError(f'units must be "pixels" or left out, got {shorten(content["units"])}')
    return content.get("units")
