# SPDX-License-Identifier: Apache-2.0
"""Keypoints and boxes as people write them: what is hidden, what has no position, what contradicts itself."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.annotation.content import shorten
from fmmp_runtime.pose import AnnotationError, BoxError, KeypointError

FARTHEST = 1e7  # pixels: no picture is so large, and float32 still knows single ones

Points = tuple[NDArray[np.float64], NDArray[np.bool_], list[str]]  # (K_c, 2), (K_c,), notes


def is_number(value: object) -> bool:
    """Whether it is a number of JSON; true and false are none."""
    return type(value) in (int, float)


def read_rows(rows: Any) -> Points:  # noqa: ANN401  # whatever the JSON holds
    """Keypoints from [x, y], [x, y, v] or null, one a keypoint.

    Raises:
        KeypointError: another form, or what `settle` refuses.
    """
    if not isinstance(rows, list) or not rows:
        raise KeypointError("keypoints must be a list of [x, y] or [x, y, v]")
    table = np.full((len(rows), 3), np.nan)
    for number, row in enumerate(rows):
        values = [None, None] if row is None else row
        fits = isinstance(values, list) and len(values) in (2, 3)
        if (
            not fits
            or not all(v is None or is_number(v) for v in values[:2])
            or not all(map(is_number, values[2:]))
        ):
            raise KeypointError(f"keypoint {number} must be [x, y] or [x, y, v], got {shorten(row)}")
        table[number, : len(values)] = [np.nan if v is None else v for v in values]
    return settle(table, np.array([row is not None and len(row) == 3 for row in rows]))


def settle(
    table: NDArray[np.float64], given: NDArray[np.bool_] | None = None, *, lenient: bool = False
) -> Points:
    """Decide what is visible: v above 0, or without a v, what has a position.

    Args:
        table: (K_c, 3) x, y, v; NaN where nothing is.
        given: (K_c,) whether there is a v; None: everywhere.
        lenient: v may be anything.

    Raises:
        KeypointError: a visible keypoint without a position, or a v that is none.
    """
    points, flags = table[:, :2], table[:, 2]
    given = np.ones(len(table), np.bool_) if given is None else given
    odd: NDArray[np.bool_] = given & ~((flags <= 2) & np.isfinite(flags))
    if odd.any() and not lenient:
        number = int(np.flatnonzero(odd)[0])
        raise KeypointError(
            f"keypoint {number} has the visibility {flags[number]:g}: expected 0 (hidden), 1 or 2; are these "
            "x, y pairs instead of x, y, v triples?"
        )
    x, y = points.T
    there: NDArray[np.bool_] = (np.abs(x) <= FARTHEST) & (np.abs(y) <= FARTHEST)  # False for NaN
    lost = np.flatnonzero(given & (flags > 0) & ~there)
    if len(lost):
        raise KeypointError(
            f"keypoint {lost[0]} is not finite or no pixel, {points[lost[0]].tolist()}, but marked as "
            f"visible (v = {flags[lost[0]]:g}): correct it, or hide it with v = 0"
        )
    hidden = np.flatnonzero(~given & ~there).tolist()
    notes = [f"keypoints without a position count as hidden: {hidden}"] if hidden else []
    return np.where(there[:, np.newaxis], points, 0.0), there & (~given | (flags > 0)), notes


def read_box(key: str, value: Any) -> list[float] | None:  # noqa: ANN401  # whatever the JSON holds
    """A box x, y, width, height, or None.

    Raises:
        BoxError: not four finite numbers.
    """
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 4 or not all(map(is_number, value)):
        raise BoxError(f"{key} must be [x, y, width, height], got {shorten(value)}")
    box = [float(v) for v in value]
    if not (np.abs(box) <= FARTHEST).all():
        raise BoxError(f"{key} must be four finite numbers of pixels, got {box}")
    return box


def check_names(names: Any, count: int) -> list[str] | None:  # noqa: ANN401  # whatever the JSON holds
    """Names of keypoints; None where there are none.

    Raises:
        AnnotationError: no list of texts, or not one a keypoint.
    """
    if names is None or names == []:
        return None
    if not isinstance(names, list):
        raise AnnotationError(f"names of keypoints must be a list of names, got {shorten(names)}")
    if len(names) != count:
        raise AnnotationError(f"names must be a list of {count}, one a keypoint, got {len(names)}")
    return [str(name) for name in names]
