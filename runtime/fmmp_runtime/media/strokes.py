# SPDX-License-Identifier: Apache-2.0
"""Strokes of a drawing: discs, rings and lines in a dark case, at fractions of a pixel, blended in place.

A dark and a light stroke side by side: one of the two stands out on any background.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.media.image import Image

Colour = Sequence[int]  # R, G, B
Point = NDArray[np.float64]  # (2,) x, y in pixels

OUTLINE, CASE = (20, 20, 20), (255, 255, 255)
SUBPIXEL = 4  # bits: OpenCV draws at sixteenths of a pixel
GAP = 1.4  # between two dashes, in lengths of one
MOST_DASHES = 200  # of a line: a stray point far outside must not be drawn dash by dash


def draw_line(
    canvas: Image, ends: NDArray[np.float64], colour: Colour, unit: float, dashed: bool = False
) -> None:
    """A line between (2, 2) ends, `unit` thick, in a dark case."""
    for width, paint in ((2.2 * unit, OUTLINE), (1.2 * unit, colour)):
        thick = max(1, round(width))
        for start, end in _dashes(ends, 5 * unit) if dashed else [(ends[0], ends[1])]:
            cv2.line(canvas, fixed(start), fixed(end), paint, thick, cv2.LINE_AA, SUBPIXEL)


def draw_disc(canvas: Image, centre: Point, colour: Colour, radius: float, unit: float) -> None:
    """A disc in a white and a dark ring."""
    for size, paint in ((radius + 1.4 * unit, OUTLINE), (radius + 0.7 * unit, CASE), (radius, colour)):
        _circle(canvas, centre, size, paint, cv2.FILLED)


def draw_ring(canvas: Image, centre: Point, colour: Colour, radius: float, unit: float) -> None:
    """A ring in a dark case as large as a disc with its rings, with the picture inside."""
    for width, paint in ((1.8 * unit, OUTLINE), (unit, colour)):
        _circle(canvas, centre, radius + 0.5 * unit, paint, max(1, round(width)))


def draw_dot(canvas: Image, centre: Point, colour: Colour, radius: float, opacity: float) -> None:
    """A disc in a dark ring, more or less opaque."""
    window = _window(canvas, centre[None], 1.5 * radius + 2)
    if window is None:
        return
    patch, corner = window
    layer = patch.copy()
    for size, paint in ((radius * 4 / 3, OUTLINE), (radius, colour)):
        _circle(layer, centre - corner, size, paint, cv2.FILLED)
    cv2.addWeighted(layer, opacity, patch, 1 - opacity, 0, dst=patch)


def draw_cross(canvas: Image, centre: Point, colour: Colour, arm: float, unit: float) -> None:
    """A lying cross in a white and a dark case; `arm` from the middle to an end."""
    for width, paint in ((4.0, OUTLINE), (2.8, CASE), (1.5, colour)):
        for across in ((1, 1), (1, -1)):
            step = arm * np.array(across) / np.sqrt(2)
            ends = fixed(centre - step), fixed(centre + step)
            cv2.line(canvas, *ends, paint, max(1, round(width * unit)), cv2.LINE_AA, SUBPIXEL)


def draw_arrow(canvas: Image, start: Point, end: Point, unit: float) -> None:
    """A black arrow in a white case; none where it would be shorter than its own head."""
    length = float(np.linalg.norm(end - start))
    if length < 2 * unit:
        return
    tip = min(4 * unit / length, 0.5)
    thin = max(1, round(1.1 * unit))
    for thick, paint in ((thin + max(2, round(1.3 * unit)), CASE), (thin, OUTLINE)):
        cv2.arrowedLine(canvas, fixed(start), fixed(end), paint, thick, cv2.LINE_AA, SUBPIXEL, tip)


def draw_box(canvas: Image, box_xywh: NDArray[np.float64], unit: float) -> None:
    """A thin white rectangle in a dark case."""
    near, far = box_xywh[:2], box_xywh[:2] + box_xywh[2:]
    for width, paint in ((1.4, OUTLINE), (0.5, CASE)):
        thick = max(1, round(width * unit))
        cv2.rectangle(canvas, fixed(near), fixed(far), paint, thick, cv2.LINE_AA, SUBPIXEL)


def fixed(point: Point) -> tuple[int, int]:
    """Pixels in OpenCV's whole numbers of sixteenths; far away stays far away."""
    x, y = np.clip(np.round(point * (1 << SUBPIXEL)), -(2**30), 2**30).astype(int).tolist()
    return x, y


def _circle(canvas: Image, centre: Point, radius: float, colour: Colour, thickness: int) -> None:
    scaled = round(radius * (1 << SUBPIXEL))
    cv2.circle(canvas, fixed(centre), scaled, colour, thickness, cv2.LINE_AA, SUBPIXEL)


def _dashes(ends: NDArray[np.float64], length: float) -> list[tuple[Point, Point]]:
    """Pieces of a line, about `length` long, at both ends one; gaps leave room for the case."""
    start, end = ends
    distance = float(np.linalg.norm(end - start))
    count = min(max(1, round((distance / length + GAP) / (1 + GAP))), MOST_DASHES)
    piece = 1 / (count + GAP * (count - 1))  # of the line
    begin = np.arange(count) * (1 + GAP) * piece
    return [(start + at * (end - start), start + (at + piece) * (end - start)) for at in begin]


def _window(
    canvas: Image, points: NDArray[np.float64], margin: float
) -> tuple[Image, NDArray[np.int64]] | None:
    """The part of the canvas around some points, to blend in place, and its corner x, y; None if off."""
    size = np.array([canvas.shape[1], canvas.shape[0]])
    low = np.clip(np.floor(points.min(0) - margin), 0, size).astype(np.int64)
    high = np.clip(np.ceil(points.max(0) + margin) + 1, 0, size).astype(np.int64)
    if (high <= low).any():
        return None
    return canvas[low[1] : high[1], low[0] : high[0]], low
