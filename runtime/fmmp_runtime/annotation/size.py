# SPDX-License-Identifier: Apache-2.0
"""Do the numbers belong to this image? Its declared size, and coordinates that are no pixels."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.annotation.record import Annotation
from fmmp_runtime.pose import AnnotationError, BoxError, KeypointError, refuse_fractions

Size = tuple[int, int]  # height, width

_SLACK = 0.02  # of the longer side: labels a little over the border, as MP-100 has some
_MOST = 16  # times larger or smaller: beyond, rounding makes nearly any two sizes multiples


def scale_to(declared_hw: Size, found_hw: Size, points: ArrayLike, what: str) -> float:
    """What to multiply declared coordinates with: 1, or a whole number or the inverse of one.

    A side may be rounded either way, as those of a picture that was halved are.

    Args:
        declared_hw: size of the image, as the file says.
        found_hw: size of the image as it is, turned as a viewer shows it.
        points: (V, 2) visible keypoints, in declared pixels.
        what: the image, for the message.

    Raises:
        AnnotationError: it is another size altogether, or the keypoints contradict it; names both sizes.
    """
    if tuple(declared_hw) == tuple(found_hw):
        return 1.0
    sizes = (
        f"{what} is {found_hw[1]} x {found_hw[0]} pixels, the file says {declared_hw[1]} x {declared_hw[0]}"
    )
    if tuple(declared_hw) == tuple(found_hw[::-1]):
        raise AnnotationError(
            f"{sizes}: exchanged, as by a tool that ignores the camera's orientation (EXIF), "
            "so that the keypoints may be those of the picture on its side: save it turned, annotate that"
        )
    factor = next((n for n in range(2, _MOST + 1) if _is_multiple(found_hw, declared_hw, n)), 0.0)
    if not factor:
        factor = 1.0 / next(
            (n for n in range(2, _MOST + 1) if _is_multiple(declared_hw, found_hw, n)), np.inf
        )
    if not factor:
        raise AnnotationError(
            f"{sizes}, which is no multiple: annotate this picture, or correct width and height"
        )
    if _outside(np.reshape(points, (-1, 2)), declared_hw):
        raise AnnotationError(
            f"{sizes}, and keypoints lie outside of that: correct width and height in the file"
        )
    return factor


def fit(annotation: Annotation, size_hw: Size | None, what: str) -> Annotation:
    """The annotation in pixels of an image of this size; None: nothing is known of it.

    Raises:
        AnnotationError: it belongs to an image of another size.
        KeypointError: its coordinates look like fractions or percents.
    """
    points = annotation.keypoints[annotation.visible]
    if annotation.units is None:
        refuse_fractions(points)
        refuse_percents(points, annotation.size_hw or size_hw)
        _refuse_corners(annotation.box, points, annotation.size_hw or size_hw)
    if size_hw is None or annotation.size_hw is None:
        return annotation
    factor = scale_to(annotation.size_hw, size_hw, points, what)
    if factor == 1:
        return annotation
    (height, width), (declared_height, declared_width) = size_hw, annotation.size_hw
    note = (
        f"the annotation is of a picture of {declared_width} x {declared_height} pixels, {what} has "
        f"{width} x {height}: scaled by {factor:g}"
    )
    return replace(
        annotation,
        keypoints=annotation.keypoints * factor,
        box=None if annotation.box is None else [v * factor for v in annotation.box],
        size_hw=size_hw,
        notes=(*annotation.notes, note),
    )


def refuse_percents(points: NDArray[Any], size_hw: Size | None) -> None:
    """Raise KeypointError where visible keypoints (V, 2) fill 0 to 100 of an image that is much larger."""
    if size_hw is None or len(points) < 2 or min(size_hw) < 200:
        return
    if points.min() >= 0 and points.max() <= 100 and np.ptp(points, axis=0).max() >= 40:
        raise KeypointError(
            "the coordinates look normalised, all are between 0 and 100 in an image of "
            f"{size_hw[1]} x {size_hw[0]} pixels, as percents are; pixels are expected: convert them, or say "
            '"units": "pixels" in the file if they are'
        )


def _refuse_corners(box: list[float] | None, points: NDArray[Any], size_hw: Size | None) -> None:
    """Raise BoxError where a box reaches beyond the image, and not if it is read as two corners."""
    if box is None or size_hw is None or not len(points):
        return
    near, far, image = np.array(box[:2]), np.array(box[2:]), np.array(size_hw[::-1])
    slack = _SLACK * max(size_hw)
    beyond = (near + far > image + slack).any()
    if beyond and (far <= image + 1).all() and ((points >= near - 1) & (points <= far + 1)).all():
        raise BoxError(
            f"box {box} reaches beyond the {size_hw[1]} x {size_hw[0]} image: it looks like two corners "
            "x1, y1, x2, y2, expected x, y, width, height"
        )


def _is_multiple(large_hw: Size, small_hw: Size, n: int) -> bool:
    """Whether small is large / n in both axes, rounded down or up."""
    return all(large // n <= small <= -(-large // n) for large, small in zip(large_hw, small_hw, strict=True))


def _outside(points: NDArray[np.float64], size_hw: Size) -> bool:
    slack = _SLACK * max(size_hw)
    return bool(((points < -slack) | (points > (size_hw[1] + slack, size_hw[0] + slack))).any())
