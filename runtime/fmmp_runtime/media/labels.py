# SPDX-License-Identifier: Apache-2.0
"""Words on a picture: names beside keypoints where they cover least, and the legend in a free corner."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.media.image import Image
from fmmp_runtime.media.strokes import CASE, OUTLINE, Colour, draw_disc, draw_line, draw_ring, fixed

FONT = cv2.FONT_HERSHEY_SIMPLEX
HEIGHT = 22  # pixels of a capital of this font at scale 1
SMALLEST = 8  # pixels of a capital that can still be read
DIRECTIONS = np.array([(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)], np.float64)
REACH = (1.0, 2.2, 4.0, 7.0)  # how far a label may move away, in heights of its text
GREY = (170, 170, 170)  # of the legend's own marks: of no keypoint


class Box(NamedTuple):
    """Where a text lies, pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Area that two share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0) * max(height, 0)


def labels_of(count: int, names: Sequence[str] | None) -> list[str]:
    """What to write beside each keypoint: its name, or its number where OpenCV's font lacks a letter."""
    texts = [str(k) for k in range(count)] if names is None else list(names)
    return [text if text.isascii() and text.isprintable() else str(k) for k, text in enumerate(texts)]


def text_size(text: str, height: float) -> float:
    """Width in pixels of a text whose capitals are `height` pixels high."""
    return float(cv2.getTextSize(text, FONT, height / HEIGHT, 1)[0][0])


def write_text(
    canvas: Image, text: str, left: float, base: float, height: float, colour: Colour = CASE
) -> None:
    """Write letters; `base` is the line they stand on."""
    thick = max(1, round(height / 9))
    cv2.putText(canvas, text, (round(left), round(base)), FONT, height / HEIGHT, colour, thick, cv2.LINE_AA)


def draw_labels(
    canvas: Image, points: NDArray[np.float64], labels: Sequence[str], radius: float, unit: float
) -> None:
    """Write a label beside each point, where it covers least, with a line to it if far.

    Args:
        canvas: (H, W, 3), drawn on.
        points: (N, 2) x, y of the points that have a label.
        labels: N, as `labels_of` gives them.
        radius: of the points, pixels.
        unit: width of a line, pixels.
    """
    height = max(SMALLEST, min(3.6 * unit, canvas.shape[0] / 20))
    dots = [Box(*(point - radius), *(point + radius)) for point in points]
    placed: list[Box] = []
    for point, label in zip(points, labels, strict=True):
        best = min(
            _places(point, text_size(label, height), height, radius),
            key=lambda place: _cost(place[1], place[0], placed, dots, canvas),
        )
        placed.append(best[1])
        if best[0] > 0:
            middle = np.array([(best[1].left + best[1].right) / 2, (best[1].top + best[1].bottom) / 2])
            cv2.line(canvas, fixed(point), fixed(middle), CASE, 1, cv2.LINE_AA, 4)
        _plate(canvas, best[1], height / 4)
        write_text(canvas, label, best[1].left, best[1].bottom, height)


def _places(
    point: NDArray[np.float64], width: float, height: float, radius: float
) -> Iterator[tuple[int, Box]]:
    """Boxes for a text around a point: how far away, and where."""
    half = np.array([width, height]) / 2
    for far, reach in enumerate(REACH):
        for direction in DIRECTIONS:
            middle = point + direction * (half + radius + (reach - 0.7) * height)
            yield far, Box(*(middle - half), *(middle + half))


def _cost(box: Box, far: int, placed: Sequence[Box], dots: Sequence[Box], canvas: Image) -> float:
    """Pixels of labels and points under a label; leaving the picture counts most, a long way a little."""
    area = (box.right - box.left) * (box.bottom - box.top)
    inside = box.overlap(Box(0, 0, canvas.shape[1], canvas.shape[0]))
    labels = sum(box.overlap(other) for other in placed)
    return 10 * (area - inside) + 3 * labels + sum(box.overlap(dot) for dot in dots) + 0.1 * area * far


def draw_legend(canvas: Image, points: NDArray[np.float64], lines: Sequence[str]) -> None:
    """Say in the corner with the fewest points what filled and hollow mean; small pictures go without."""
    height = max(SMALLEST, min(canvas.shape[:2]) / 45)
    mark = 4 * height
    width = mark + max(text_size(line, height) for line in lines) + 2 * height
    tall = 2 * len(lines) * height + height
    if width > 0.6 * canvas.shape[1] or tall > 0.25 * canvas.shape[0]:
        return
    left, top = _free_corner(canvas, points, width, tall)
    _plate(canvas, Box(left, top, left + width, top + tall))
    unit = height / 6
    for number, line in enumerate(lines):
        base = top + (2 * number + 2) * height
        ends = np.array([(left + 0.7 * height, base - height / 2), (left + 0.7 * height + 3 * height, 0)])
        ends[1, 1] = ends[0, 1]
        draw_line(canvas, ends, GREY, unit, dashed=number == 1)
        for end in ends:
            (draw_disc if number == 0 else draw_ring)(canvas, end, GREY, 2.4 * unit, unit)
        write_text(canvas, line, left + mark + height, base, height)


def draw_note(image: Image, text: str) -> Image:
    """A copy of the image with a line of text in its upper left corner."""
    canvas: Image = image.copy()
    height = max(SMALLEST, min(canvas.shape[:2]) / 30)
    _plate(canvas, Box(height, height, height + text_size(text, height) + 2 * height, 4 * height))
    write_text(canvas, text, 2 * height, 3 * height, height)
    return canvas


def _plate(canvas: Image, box: Box, margin: float = 0) -> None:
    """Darken what lies under a text, so that white letters are read on anything."""
    left, top = (max(0, round(side - margin)) for side in box[:2])
    patch = canvas[top : round(box.bottom + margin), left : round(box.right + margin)]
    if patch.size:
        cv2.addWeighted(np.full_like(patch, OUTLINE), 0.6, patch, 0.4, 0, dst=patch)


def _free_corner(
    canvas: Image, points: NDArray[np.float64], width: float, tall: float
) -> tuple[float, float]:
    """Left and top of a rectangle in the corner with the fewest points in it."""
    high, wide = canvas.shape[:2]
    corners = [(x, y) for y in (high - tall, 0.0) for x in (0.0, wide - width)]

    def covered(corner: tuple[float, float]) -> int:
        inside = (points >= corner) & (points <= np.add(corner, (width, tall)))
        return int(inside.all(1).sum())

    return min(corners, key=covered)
