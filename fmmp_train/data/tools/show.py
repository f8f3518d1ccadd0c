# SPDX-License-Identifier: Apache-2.0
"""Draw an annotation with names and numbers, so that a mistyped keypoint is seen before it is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.annotation.reader import Annotation, read_annotation
from fmmp_runtime.media.draw import draw_pose
from fmmp_runtime.media.image import Image, read_image
from fmmp_runtime.media.labels import labels_of
from fmmp_runtime.media.sheet import close_up, transform_box
from fmmp_runtime.pose import check_links, minimum_spanning_tree, transform_points

HEIGHT = 900  # pixels of the picture: small ones grow, so that names can be read


class Shown(NamedTuple):
    """A picture of an annotation, and what to say of it."""

    picture: Image
    rows: list[str]  # one a keypoint: number, name, position
    remarks: list[str]  # what was read otherwise, guessed, or looks mistyped


def show_annotation(file: str, image: Path | None = None, *, links_from: int | None = None) -> Shown:
    """Read an annotation and draw it.

    Args:
        file: as for `fmmp-run`; `file.json#123` picks the annotation with the id 123.
        image: None: the one that the annotation names, beside the file or in an `images` folder there.
        links_from: 0 or 1, the number of the first keypoint in the links; None: as the file says.

    Raises:
        OSError: no such file or image.
        ValueError: the annotation or the image can't be read; says what is wrong.
    """
    annotation = read_annotation(file, image, links_from=links_from)
    path = image if image is not None else _find_image(file, annotation)
    annotation = read_annotation(
        file, path, links_from=links_from
    )  # with the image, so that its size is compared
    pixels = read_image(path)
    links = _links(annotation)
    guessed = [] if annotation.links else ["no links given: the keypoints are joined by the shortest tree"]
    remarks = [*annotation.notes, *guessed, *_doubts(annotation, pixels.shape[1], pixels.shape[0])]
    return Shown(_draw(pixels, annotation, links), list(_rows(annotation)), remarks)


def _find_image(file: str, annotation: Annotation) -> Path:
    folder = Path(file.partition("#")[0]).parent
    if annotation.image is None:
        raise ValueError(f"{file} names no image: say which one with --image")
    places = (folder, folder / "images", folder.parent / "images")
    found = next((p / annotation.image for p in places if (p / annotation.image).is_file()), None)
    if found is None:
        raise FileNotFoundError(
            f"{annotation.image}, the image of {file}, is not beside it: name it with --image"
        )
    return found


def _links(annotation: Annotation) -> NDArray[np.int64]:
    if annotation.links:
        return check_links(annotation.links, len(annotation.keypoints))
    return minimum_spanning_tree(annotation.keypoints, annotation.visible)


def _draw(image: Image, annotation: Annotation, links: NDArray[np.int64]) -> Image:
    """All of it close up; hidden keypoints that have a place are hollow."""
    placed = annotation.visible | (annotation.keypoints != 0).any(1)
    whole = np.array([0, 0, image.shape[1], image.shape[0]], np.float64)
    view, matrix, _ = close_up(image, _around(annotation, placed) if placed.any() else whole, HEIGHT)
    names = annotation.names
    labels = labels_of(
        len(placed), None if names is None else [_label(k, name) for k, name in enumerate(names)]
    )
    return draw_pose(
        view,
        transform_points(annotation.keypoints, matrix),
        placed,
        links,
        annotation.visible.astype(np.float64),
        box=None if annotation.box is None else transform_box(annotation.box, matrix),
        labels=labels,
        legend=("visible", "hidden: not used"),
    )


def _label(k: int, name: str) -> str:
    return name if name == str(k) else f"{k} {name}"


def _around(annotation: Annotation, placed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A box that holds the annotation's box and every keypoint."""
    corners = annotation.keypoints[placed]
    if annotation.box is not None:
        x, y, width, height = annotation.box
        corners = np.concatenate([corners, [[x, y], [x + width, y + height]]])
    low, high = corners.min(0), corners.max(0)
    return np.concatenate([low, high - low])


def _rows(annotation: Annotation) -> Iterator[str]:
    names = annotation.names or [""] * len(annotation.keypoints)
    wide = max(map(len, names))
    for k, (name, (x, y), visible) in enumerate(
        zip(names, annotation.keypoints.tolist(), annotation.visible.tolist(), strict=True)
    ):
        yield f"{k:3} {name:{wide}} {x:8.1f} {y:8.1f}{'' if visible else '  hidden'}"


def _doubts(annotation: Annotation, width: int, height: int) -> Iterator[str]:
    """What is probably a slip: keypoints outside of the image or of the box, and two in one place."""
    points, shown = annotation.keypoints, annotation.visible
    outside = shown & ((points < -0.5) | (points > (width - 0.5, height - 0.5))).any(1)
    yield from (
        f"keypoint {_name(annotation, k)} lies outside the image" for k in np.flatnonzero(outside).tolist()
    )
    if annotation.box is not None:
        near, size = np.asarray(annotation.box).reshape(2, 2)
        beside = shown & ~outside & ((points < near - 1) | (points > near + size + 1)).any(1)
        yield from (
            f"keypoint {_name(annotation, k)} lies outside the box" for k in np.flatnonzero(beside).tolist()
        )
    for k in np.flatnonzero(shown).tolist():
        same = np.flatnonzero(shown[:k] & (points[:k] == points[k]).all(1))
        if len(same):
            yield f"keypoint {_name(annotation, k)} lies where {_name(annotation, int(same[0]))} lies"


def _name(annotation: Annotation, k: int) -> str:
    return f"{k} ({annotation.names[k]})" if annotation.names else str(k)
