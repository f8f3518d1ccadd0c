# SPDX-License-Identifier: Apache-2.0
"""From a box in an image to the square crop that the network sees, and back.

A box is x, y, width, height in pixels.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.pose.errors import BoxError

CROP_PADDING = 1.25  # side of a crop over the longer side of the object's box, in training and in evaluation
BOX_MARGIN = 0.1  # around annotated points that come without a box, of their longer side, on every side


def whole_box(image_size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """(4,) the box of a whole image."""
    height, width = image_size_hw
    return np.array([0, 0, width, height], np.float64)


def box_around(points_px: NDArray[np.float64], image_size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """(4,) box around points (V, 2) with a margin; the whole image where they lie in one place."""
    low, high = points_px.min(0), points_px.max(0)
    longest = float((high - low).max())
    if longest < 1:
        return whole_box(image_size_hw)
    margin = BOX_MARGIN * longest
    near = np.maximum(low - margin, 0)  # clipped here: `sanitize_box` would shift the box instead
    return np.concatenate([near, high + margin - near + 1])


def sanitize_box(box_xywh: ArrayLike, image_size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Clip a box to its image as COCO tools do; the far corner is the last pixel inside.

    As released, a box that hangs over the near border moves inside instead of losing that part, so one wholly
    outside there still gives a crop: `check_box` refuses it where a user gives it.

    Returns:
        (4,) float64 x, y, width, height in pixels.

    Raises:
        BoxError: not four finite numbers, or nothing is left: it lies beyond the far border, or is one pixel.
    """
    box = np.asarray(box_xywh, np.float64)
    height, width = image_size_hw
    if box.shape != (4,) or not np.isfinite(box).all():
        raise BoxError(f"a box is four finite numbers x, y, width, height in pixels, got {box.tolist()}")
    near = np.maximum(box[:2], 0)
    far = np.minimum(near + np.maximum(box[2:] - 1, 0), (width - 1, height - 1))
    given = f"box {box.round(1).tolist()} (x, y, width, height)"
    if (far < near).any():
        raise BoxError(f"{given} lies outside the {width} x {height} image")
    if not (far > near).any():
        raise BoxError(f"{given} covers one pixel of the {width} x {height} image: too small to look at")
    return np.concatenate([near, far - near])


def crop_matrix(
    box_xywh: ArrayLike,
    size: int = 256,
    padding: float = CROP_PADDING,
    scale: float = 1.0,
    rotation_deg: float = 0.0,
) -> NDArray[np.float64]:
    """Affine map, image pixels -> pixels of the square crop around the middle of a sanitised box.

    The crop's side is the longer side of the box x `padding` x `scale`.

    Args:
        box_xywh: (4,) as `sanitize_box` returns it.
        size: side of the crop, pixels.
        padding: of the model.
        scale: augmentation; above 1 the object gets smaller.
        rotation_deg: augmentation; positive turns the content counter-clockwise.

    Returns:
        (2, 3) float64.
    """
    box = np.asarray(box_xywh, np.float64)
    centre = box[:2] + box[2:] / 2
    zoom = size / (box[2:].max() * padding * scale)
    angle = np.deg2rad(rotation_deg)
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])  # y points down
    return np.column_stack([turn, size / 2 - turn @ centre])


def invert_matrix(matrix: ArrayLike) -> NDArray[np.float64]:
    """(2, 3) affine map -> the (2, 3) map back."""
    forward = np.asarray(matrix, np.float64)
    linear = np.linalg.inv(forward[:, :2])
    return np.column_stack([linear, -linear @ forward[:, 2]])


def transform_points(points: ArrayLike, matrix: ArrayLike) -> NDArray[np.float64]:
    """Map (..., 2) points x, y by a (2, 3) affine matrix."""
    affine = np.asarray(matrix, np.float64)
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ affine[:, :2].T + affine[:, 2]
    return moved
