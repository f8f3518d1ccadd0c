# SPDX-License-Identifier: Apache-2.0
"""LabelMe's JSON, which X-AnyLabeling writes too: each point a shape, the points of an object one group."""

from collections.abc import Mapping
from typing import Any

from fmmp_runtime.annotation.own import declared_size
from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.annotation.tools.named import NamedPoint, annotation_of, choose


def is_labelme(content: object) -> bool:
    """Whether JSON content is LabelMe's."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list) and "imagePath" in content


def read_labelme(content: Mapping[str, Any], request: Request) -> Annotation:
    """The points of one group, with the rectangle of that group as its box; `#2` picks the group 2.

    Raises:
        AnnotationError: no points, several groups and no id, or two points of one name.
    """
    shapes = content["shapes"]
    groups: dict[str, list[NamedPoint]] = {}
    for shape in shapes:
        if shape.get("shape_type") == "point":
            x, y = shape["points"][0]
            groups.setdefault(_group(shape), []).append(NamedPoint(str(shape["label"]), float(x), float(y)))
    points = choose(groups, request, "group_id")
    name = next(key for key, group in groups.items() if group is points)
    corners = [s["points"] for s in shapes if s.get("shape_type") == "rectangle" and _group(s) == name]
    box = None
    if len(corners) == 1:
        (x, *_), (y, *_) = (sorted(map(float, axis)) for axis in zip(*corners[0], strict=True))
        width, height = (
            max(map(float, axis)) - min(map(float, axis)) for axis in zip(*corners[0], strict=True)
        )
        box = [x, y, width, height]
    return annotation_of(
        points,
        box=box,
        image=content["imagePath"],
        size_hw=declared_size(content, "imageHeight", "imageWidth"),
    )


def _group(shape: Mapping[str, Any]) -> str:
    return str(shape.get("group_id"))
