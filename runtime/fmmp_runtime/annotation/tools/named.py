# SPDX-License-Identifier: Apache-2.0
"""Points that carry a name each, as most tools have them, become one annotation."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fmmp_runtime.annotation.points import read_box, settle
from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.pose import AnnotationError, KeypointError


class NamedPoint(NamedTuple):
    """One keypoint."""

    name: str
    x: float
    y: float
    visible: bool = True


def annotation_of(
    points: Sequence[NamedPoint],
    *,
    box: list[float] | None = None,
    image: str | None = None,
    size_hw: tuple[int, int] | None = None,
    notes: Sequence[str] = (),
) -> Annotation:
    """An annotation without links: such tools have none.

    Raises:
        KeypointError: there is no point, or two have one name, so that two pictures can't be matched.
        BoxError: a box that is no place in a picture.
    """
    if not points:
        raise KeypointError(
            "it holds no keypoints, only other shapes: draw each keypoint as a point with a name"
        )
    names = [point.name for point in points]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice and len(set(names)) > 1:
        raise KeypointError(
            f"two keypoints are called {twice[0]!r}: give each its own name, or group those of one object"
        )
    table = np.array([[p.x, p.y, 2.0 if p.visible else 0.0] for p in points], np.float64)
    keypoints, visible, more = settle(table)
    return Annotation(
        keypoints=keypoints,
        visible=visible,
        links=None,
        box=read_box("box", box),
        names=None if twice else names,  # all alike: the name of the category
        image=None if image is None else image.replace("\\", "/"),
        size_hw=size_hw,
        notes=(*notes, *more),
    )


def choose(objects: Mapping[str, Any], request: Request, what: str) -> Any:  # noqa: ANN401  # one of the objects
    """The one of several objects, by the id behind the file's name.

    Raises:
        AnnotationError: there is none, or several and no id.
    """
    if request.wanted:
        if request.wanted not in objects:
            raise AnnotationError(f"no {what} {request.wanted}; there are {_some(objects)}")
        return objects[request.wanted]
    if len(objects) == 1:
        return next(iter(objects.values()))
    if not objects:
        raise AnnotationError(f"there is no {what} with keypoints in it")
    raise AnnotationError(
        f"{len(objects)} objects: add #ID to the file name, the {what} that is wanted ({_some(objects)})"
    )


def pick_image(names: Iterable[str], request: Request) -> list[str]:
    """Those of a file's images that have the name of the wanted one; all, where none is wanted.

    Raises:
        AnnotationError: none has.
    """
    given = list(names)
    if request.image is None:
        return given
    wanted = request.image.name
    last = {name: re.split(r"[\\/=]", name)[-1] for name in given}  # = as in /data/local-files/?d=a.jpg
    found = [name for name in given if last[name] == wanted] or [
        n for n in given if last[n].endswith(f"-{wanted}")
    ]
    if not found:
        raise AnnotationError(
            f"none of its {len(given)} images is called {wanted}; there are {_some(last.values())}"
        )
    return found


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (", ..." if len(listed) > 5 else "")
