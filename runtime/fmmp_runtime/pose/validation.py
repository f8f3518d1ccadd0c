# SPDX-License-Identifier: Apache-2.0
"""Strict checks of a support annotation: each fault is named, with the keypoint or link that has it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.pose.crop import sanitize_box
from fmmp_runtime.pose.errors import BoxError, KeypointError, LinkError

_MOST_INDEX = 2**53  # whole numbers above are not all float64s


def check_support(
    keypoints_px: ArrayLike,
    visible: ArrayLike,
    image_size_hw: tuple[int, int] | None,
    count: int,
    *,
    fixed: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Check the keypoints of one support image.

    Args:
        keypoints_px: (K_c, 2) x, y; what a hidden one holds is not looked at.
        visible: (K_c,) bool.
        image_size_hw: height and width; a visible keypoint lies inside or on the border. None: anywhere.
        count: K, the most that the model takes.
        fixed: no model for more can be exported.

    Returns:
        The same as float64 and bool arrays.

    Raises:
        KeypointError: says which keypoint, what was expected, and what to do.
    """
    points = as_numbers(keypoints_px, KeypointError, "keypoints")
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise KeypointError(f"keypoints must be a list of x, y pairs, (K, 2), got shape {points.shape}")
    shown = np.asarray(visible, np.bool_)
    if shown.shape != points.shape[:1]:
        raise KeypointError(f"visible must be ({len(points)},), one flag a keypoint, got {shown.shape}")
    if len(points) > count:
        mend = f"fmmp-export --keypoints {len(points)} makes one for them, or leave some out"
        raise KeypointError(
            f"{len(points)} keypoints do not fit: this model takes {count}; "
            + ("its weights are made for so many: leave some out" if fixed else mend)
        )
    broken = np.flatnonzero(shown & ~np.isfinite(points).all(axis=1))
    if len(broken):
        raise KeypointError(f"keypoint {broken[0]} is not finite: {points[broken[0]].tolist()}; hide it")
    if not shown.any():
        raise KeypointError(f"none of {len(points)} keypoints is visible: a support needs at least one")
    if image_size_hw is None:
        return points, shown
    refuse_fractions(points[shown])
    height, width = image_size_hw
    outside = np.flatnonzero(shown & ((points < 0) | (points > (width, height))).any(axis=1))
    if len(outside):
        raise KeypointError(
            f"keypoint {outside[0]} at {points[outside[0]].round(1).tolist()} lies outside the "
            f"{width} x {height} image ({len(outside)} of {len(points)} do): correct it or mark it hidden"
        )
    return points, shown


def check_links(links: ArrayLike, count: int, *, once: bool = True) -> NDArray[np.int64]:
    """Check the links of a category with `count` keypoints; `once`: each may be there only once.

    Returns:
        (E, 2) int64.

    Raises:
        LinkError: not pairs of whole numbers, out of range, a point to itself, or the same link twice.
    """
    given = np.asarray(links)
    if given.size == 0:
        return np.zeros((0, 2), np.int64)
    if given.ndim != 2 or given.shape[1] != 2 or given.dtype.kind not in "iuf":
        raise LinkError(f"links must be pairs of keypoint indices, (E, 2), got shape {given.shape}")
    if not ((np.abs(given) < _MOST_INDEX) & (given == np.floor(given))).all():  # False for NaN
        raise LinkError("links must be pairs of whole numbers (keypoint indices from 0)")
    edges = given.astype(np.int64)
    seen: set[tuple[int, int]] = set()
    for number, (start, end) in enumerate(edges.tolist()):
        if not (0 <= start < count and 0 <= end < count):
            raise LinkError(f"link {number}, {[start, end]}, is out of range: keypoints are 0 to {count - 1}")
        if start == end:
            raise LinkError(f"link {number}, {[start, end]}, joins a keypoint to itself: remove it")
        pair = (min(start, end), max(start, end))
        if once and pair in seen:
            raise LinkError(
                f"link {number}, {[start, end]}, is there twice (in either direction): remove one"
            )
        seen.add(pair)
    return edges


def refuse_fractions(points: NDArray[Any]) -> None:
    """Raise KeypointError where visible keypoints (V, 2) lie about -1 to 1, as no object in pixels does."""
    if len(points) and (np.abs(points) <= 1.5).all() and (len(points) > 1 or (points % 1 != 0).any()):
        raise KeypointError(
            "the coordinates look normalised, all are between 0 and 1 (or -1 and 1); pixels are expected: "
            "multiply them with the image's width and height, or say "
            '"units": "pixels" in the file if they are'
        )


def widen_box(
    box_xywh: ArrayLike, points: NDArray[np.float64], size_hw: tuple[int, int]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """A box that leaves a visible keypoint outside is widened to hold it, and a note says so.

    Args:
        box_xywh: (4,) as a user gives it.
        points: (V, 2) visible keypoints, pixels.
        size_hw: of the image.

    Returns:
        (4,) the box, unless it leaves a point outside by more than a pixel, and notes.

    Raises:
        BoxError: not four numbers, or most keypoints lie outside: it is the box of something else.
    """
    box = as_numbers(box_xywh, BoxError, "a box")
    if box.shape != (4,) or not np.isfinite(box).all():
        return box, ()  # `check_box` says it
    low, high = box[:2], box[:2] + box[2:]
    outside = ((points < low - 1) | (points > high + 1)).any(axis=1)
    if not outside.any():
        return box, ()
    fault = f"box {box.round(1).tolist()} leaves {outside.sum()} of {len(points)} visible keypoints outside"
    if outside.mean() > 0.5:
        raise BoxError(
            f"{fault}: is it x, y, width, height in pixels of this image? Leave it out to have one made"
        )
    low, high = (
        np.minimum(low, points.min(0)),
        np.maximum(high, points.max(0) + 1),
    )  # the last pixel is inside
    low = np.maximum(low, 0)
    high = np.minimum(high, (size_hw[1], size_hw[0]))
    wide = np.concatenate([low, high - low])
    return wide, (f"{fault}: widened to {wide.round(1).tolist()}",)


def as_numbers(value: ArrayLike, error: type[ValueError], what: str) -> NDArray[np.float64]:
    """`value` as float64; anything else than numbers of that range raises `error`."""
    try:
        if np.iscomplexobj(value):  # else the imaginary part is lost, with a warning
            raise TypeError("they are complex")
        return np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError) as cause:
        raise error(f"{what} must be numbers: {cause}") from cause


def check_box(box_xywh: ArrayLike, image_size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Check a box that a user gives, and clip it.

    Returns:
        (4,) float64 x, y, width, height, as `sanitize_box` gives it.

    Raises:
        BoxError: not four finite numbers, no area, or no part of the image inside.
    """
    box = as_numbers(box_xywh, BoxError, "a box")
    clipped = sanitize_box(box, image_size_hw)
    height, width = image_size_hw
    if (box[2:] <= 0).any() or (box[:2] + box[2:] <= 0).any():
        raise BoxError(
            f"box {box.round(1).tolist()} (x, y, width, height) lies outside the {width} x {height} image"
        )
    return clipped
