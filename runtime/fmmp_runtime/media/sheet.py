# SPDX-License-Identifier: Apache-2.0
"""Sheets: pictures side by side under their titles, each a close-up where its object is small."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.media import UNSURE
from fmmp_runtime.media.draw import draw_pose, score_legend
from fmmp_runtime.media.image import Image
from fmmp_runtime.media.labels import text_size, write_text
from fmmp_runtime.media.strokes import OUTLINE
from fmmp_runtime.pose import transform_points

PAPER, TITLE, GAP = 245, 30, 8  # of a sheet: grey value, height of a title, space around a picture
LETTERS = 11.0  # pixels of a capital of a title
NARROWEST = 100  # pixels that a title has
WIDEST = 2.0  # a picture's width over the height of a sheet's row
HEIGHT = 360  # of a row
SMALL = 0.5  # an object's longer side over the picture's: below it, the sheet shows a close-up
ROUND = 1.5  # side of a close-up over the object's


def close_up(
    image: Image, box_xywh: ArrayLike, height: int = HEIGHT
) -> tuple[Image, NDArray[np.float64], bool]:
    """The picture as a sheet shows it: scaled to its row, and cut around the object where that is small.

    Draw on what comes back, not before: lines and points then have their full sharpness.

    Args:
        image: (H, W, 3) RGB uint8.
        box_xywh: (4,) the object, pixels.
        height: of the row.

    Returns:
        the picture, the (2, 3) map of the image's pixels to its pixels, and whether it was cut.
    """
    box = np.asarray(box_xywh, np.float64)
    size = np.array([image.shape[1], image.shape[0]], np.float64)
    near, extent = np.zeros(2), size
    cut = bool(box[2:].max() < SMALL * size.max())
    if cut:
        extent = np.minimum(np.full(2, max(ROUND * box[2:].max(), 8)), size)
        near = np.clip(box[:2] + box[2:] / 2 - extent / 2, 0, size - extent).round()
        extent = extent.round()
    part = image[int(near[1]) : int(near[1] + extent[1]), int(near[0]) : int(near[0] + extent[0])]
    picture = fit(part, height)
    zoom = np.array([picture.shape[1] / part.shape[1], picture.shape[0] / part.shape[0]])
    # Pixel centres are whole numbers: the corner of the first pixel lies at -0.5.
    return picture, np.column_stack([np.diag(zoom), (0.5 - near) * zoom - 0.5]), cut


def pose_panel(
    title: str,
    image: Image,
    keypoints_px: ArrayLike,
    visible: ArrayLike,
    links: ArrayLike,
    score: ArrayLike | None = None,
    *,
    box: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    threshold: float = UNSURE,
) -> tuple[str, Image]:
    """A pose as a sheet shows it; the arguments are those of `draw_pose`. Its title says where it was cut."""
    whole = (0, 0, image.shape[1], image.shape[0])
    picture, matrix, cut = close_up(image, whole if box is None else box)
    box = None if box is None else transform_box(box, matrix)
    points = transform_points(keypoints_px, matrix)
    drawn = draw_pose(
        picture,
        points,
        visible,
        links,
        score,
        box=box,
        labels=labels,
        threshold=threshold,
        legend=score_legend(threshold),
    )
    return f"{title} (close-up)" if cut else title, drawn


def transform_box(box_xywh: ArrayLike, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map a box by a (2, 3) matrix that turns nothing."""
    near, size = np.asarray(box_xywh, np.float64).reshape(2, 2)
    return np.concatenate([transform_points(near, matrix), matrix[:, :2] @ size])


def fit(picture: Image, height: int) -> Image:
    """Scale a picture to the height of a row, or less where it is a panorama."""
    zoom = min(height / picture.shape[0], WIDEST * height / picture.shape[1])
    width, tall = (max(1, round(side * zoom)) for side in (picture.shape[1], picture.shape[0]))
    method = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, tall), interpolation=method), np.uint8)


def draw_sheet(panels: Sequence[tuple[str, Image]], height: int = HEIGHT, columns: int = 4) -> Image:
    """Pictures side by side, each under its title, scaled to one height; a new row after `columns`."""
    tiles = [_tile(title, fit(picture, height), height) for title, picture in panels]
    rows = [np.concatenate(tiles[start : start + columns], 1) for start in range(0, len(tiles), columns)]
    width = max(row.shape[1] for row in rows)
    fills = [((0, 0), (0, width - row.shape[1]), (0, 0)) for row in rows]
    padded = [np.pad(row, fill, constant_values=PAPER) for row, fill in zip(rows, fills, strict=True)]
    sheet: Image = np.concatenate(padded)
    return sheet


def _tile(title: str, picture: Image, height: int) -> Image:
    """One picture of a sheet on paper, with its title above."""
    tall, wide = picture.shape[:2]
    width = max(wide, NARROWEST)
    tile = np.full((height + TITLE + GAP, width + 2 * GAP, 3), PAPER, np.uint8)
    top, left = TITLE + (height - tall) // 2, GAP + (width - wide) // 2
    tile[top : top + tall, left : left + wide] = picture
    text = title
    while len(text) > 1 and text_size(text, LETTERS) > width:
        text = text[: -4 if text.endswith("...") else -3] + "..." if len(text) > 4 else text[:-1]
    write_text(tile, text, GAP, TITLE - GAP, LETTERS, OUTLINE)
    return tile
