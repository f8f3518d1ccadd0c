# SPDX-License-Identifier: Apache-2.0
"""Pictures of poses: one colour a keypoint, the same on the support and on every query."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.media.image import Image

# Okabe and Ito (2008): colours that the colour-blind tell apart, here with white in place of black.
DISTINCT = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
        (255, 255, 255),
    ]
)
# For more keypoints a ramp from dark to light, so that the order is seen without seeing hue (after viridis).
RAMP = np.array(
    [(72, 20, 140), (59, 82, 175), (33, 145, 160), (53, 183, 121), (160, 218, 57), (253, 231, 37)]
)
OUTLINE, CASE = (20, 20, 20), (255, 255, 255)
ATTENTION, REFERENCE = (86, 180, 233), (213, 94, 0)  # of Okabe and Ito: blue dots, a vermilion cross
PAPER, TITLE, GAP = 245, 30, 8  # of a sheet: grey value, height of a title, space around a picture
SUBPIXEL = 4  # bits: OpenCV draws at sixteenths of a pixel


def palette(count: int) -> NDArray[np.uint8]:
    """Colours for `count` keypoints, (count, 3) RGB."""
    if count <= len(DISTINCT):
        return DISTINCT[:count].astype(np.uint8)
    position = np.linspace(0, len(RAMP) - 1, count)
    channels = [np.interp(position, np.arange(len(RAMP)), channel) for channel in RAMP.T]
    ramp: NDArray[np.uint8] = np.stack(channels, 1).round().astype(np.uint8)
    return ramp


def draw_pose(
    image: Image,
    keypoints_px: ArrayLike,
    visible: ArrayLike,
    links: ArrayLike,
    score: ArrayLike | None = None,
    colours: ArrayLike | None = None,
) -> Image:
    """Draw a skeleton on a copy of the image.

    Args:
        image: (H, W, 3) RGB uint8.
        keypoints_px: (K, 2) x, y.
        visible: (K,) bool; the others are left out, and their links.
        links: (E, 2) keypoint indices.
        score: (K,) in [0, 1]; a point with little of it is small and faint. None: all full.
        colours: (K, 3) RGB; None: `palette`.

    Returns:
        (H, W, 3) RGB uint8.
    """
    points = np.asarray(keypoints_px, np.float64)
    shown = np.asarray(visible, np.bool_) & np.isfinite(points).all(1)
    trust = np.ones(len(points)) if score is None else np.clip(np.asarray(score, np.float64), 0, 1)
    paints = palette(len(points)) if colours is None else np.asarray(colours, np.uint8)
    unit = _unit(image)
    canvas: Image = image.copy()
    for start, end in np.asarray(links, np.int64).reshape(-1, 2):
        if shown[start] and shown[end]:
            colour = (paints[start].astype(np.int64) + paints[end]) // 2
            _link(canvas, points[[start, end]], colour, unit, _opacity(trust[[start, end]].min()))
    for k in np.flatnonzero(shown)[np.argsort(trust[shown], kind="stable")]:  # the surest on top
        _point(canvas, points[k], paints[k].astype(np.int64), trust[k], unit)
    return canvas


def draw_errors(image: Image, found_px: ArrayLike, truth_px: ArrayLike, visible: ArrayLike) -> Image:
    """Draw an arrow from each keypoint that was found to where it is: black, in a white case.

    Args:
        image: (H, W, 3) RGB uint8.
        found_px: (K, 2) x, y.
        truth_px: (K, 2).
        visible: (K,) bool; the others get none.
    """
    found, truth = np.asarray(found_px, np.float64), np.asarray(truth_px, np.float64)
    shown = np.asarray(visible, np.bool_) & np.isfinite(found).all(1)
    unit = _unit(image)
    canvas: Image = image.copy()
    for width, paint in ((2.4, CASE), (1.1, OUTLINE)):
        for k in np.flatnonzero(shown):
            length = float(np.linalg.norm(truth[k] - found[k]))
            if length < 2 * unit:
                continue  # shorter than its own head
            tip = min(4 * unit / length, 0.5)
            start, end = _fixed(found[k]), _fixed(truth[k])
            thick = max(1, round(width * unit))
            cv2.arrowedLine(canvas, start, end, paint, thick, cv2.LINE_AA, SUBPIXEL, tip)
    return canvas


def draw_attention(
    image: Image, locations_px: ArrayLike, weights: ArrayLike, reference_px: ArrayLike
) -> Image:
    """Draw where a keypoint's attention reads: dots, and a cross where it starts.

    The opacity of a dot is the root of its weight over the largest one, so that light ones are seen.

    Args:
        image: (H, W, 3) RGB uint8.
        locations_px: (N, 2) x, y.
        weights: (N,) at least 0.
        reference_px: (2,).
    """
    points, weight = np.asarray(locations_px, np.float64), np.asarray(weights, np.float64)
    share = weight / max(float(weight.max(initial=0)), 1e-12)
    unit = _unit(image)
    canvas: Image = image.copy()
    for k in np.argsort(share, kind="stable"):  # the heaviest on top
        if share[k] > 0:
            _dot(canvas, points[k], ATTENTION, unit, float(np.sqrt(share[k])))
    arm = 5 * unit
    reference = np.asarray(reference_px, np.float64)
    for width, paint in ((4.0, OUTLINE), (2.8, CASE), (1.5, REFERENCE)):
        for across in ((1, 1), (1, -1)):
            step = arm * np.array(across) / np.sqrt(2)
            ends = _fixed(reference - step), _fixed(reference + step)
            cv2.line(canvas, *ends, paint, max(1, round(width * unit)), cv2.LINE_AA, SUBPIXEL)
    return canvas


def draw_sheet(panels: Sequence[tuple[str, Image]], height: int = 360, columns: int = 4) -> Image:
    """Pictures side by side, each under its title, scaled to one height; a new row after `columns`."""
    tiles = [_tile(title, picture, height) for title, picture in panels]
    rows = [np.concatenate(tiles[start : start + columns], 1) for start in range(0, len(tiles), columns)]
    width = max(row.shape[1] for row in rows)
    fills = [((0, 0), (0, width - row.shape[1]), (0, 0)) for row in rows]
    padded = [np.pad(row, fill, constant_values=PAPER) for row, fill in zip(rows, fills, strict=True)]
    sheet: Image = np.concatenate(padded)
    return sheet


def _tile(title: str, picture: Image, height: int) -> Image:
    """One picture of a sheet on paper, with its title above."""
    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    method = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_CUBIC
    tile = np.full((height + TITLE + GAP, width + 2 * GAP, 3), PAPER, np.uint8)
    tile[TITLE : TITLE + height, GAP : GAP + width] = cv2.resize(
        picture, (width, height), interpolation=method
    )
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.5
    text = title
    while len(text) > 1 and cv2.getTextSize(text, font, size, 1)[0][0] > width:
        text = text[: -4 if text.endswith("...") else -3] + "..." if len(text) > 4 else text[:-1]
    cv2.putText(tile, text, (GAP, TITLE - GAP), font, size, OUTLINE, 1, cv2.LINE_AA)
    return tile


def _unit(image: Image) -> float:
    """Width of a line in pixels: pictures of any size look alike."""
    return max(1.0, float(min(image.shape[:2])) / 200)


def _opacity(trust: float) -> float:
    return 0.3 + 0.7 * trust


def _link(
    canvas: Image, ends: NDArray[np.float64], colour: NDArray[np.int64], unit: float, opacity: float
) -> None:
    """A coloured line between (2, 2) ends, in a dark case."""
    window = _window(canvas, ends, 2 * unit + 2)
    if window is None:
        return
    patch, corner = window
    layer = patch.copy()
    start, end = (_fixed(point - corner) for point in ends)
    for width, paint in ((2.2 * unit, OUTLINE), (1.2 * unit, colour.tolist())):
        cv2.line(layer, start, end, paint, max(1, round(width)), cv2.LINE_AA, SUBPIXEL)
    cv2.addWeighted(layer, opacity, patch, 1 - opacity, 0, dst=patch)


def _point(
    canvas: Image, centre: NDArray[np.float64], colour: NDArray[np.int64], trust: float, unit: float
) -> None:
    """A coloured disc in a white and a dark ring: one of the two stands out on any background."""
    radius = unit * (1.4 + 1.4 * trust)
    window = _window(canvas, centre[None], radius + 2 * unit + 2)
    if window is None:
        return
    patch, corner = window
    layer = patch.copy()
    discs = (
        (radius + 1.4 * unit, OUTLINE),
        (radius + 0.7 * unit, (255, 255, 255)),
        (radius, colour.tolist()),
    )
    for size, paint in discs:
        scaled = round(size * (1 << SUBPIXEL))
        cv2.circle(layer, _fixed(centre - corner), scaled, paint, cv2.FILLED, cv2.LINE_AA, SUBPIXEL)
    opacity = _opacity(trust)
    cv2.addWeighted(layer, opacity, patch, 1 - opacity, 0, dst=patch)


def _dot(
    canvas: Image, centre: NDArray[np.float64], colour: tuple[int, int, int], unit: float, opacity: float
) -> None:
    """A small disc in a dark ring."""
    radius = 1.8 * unit
    window = _window(canvas, centre[None], radius + unit + 2)
    if window is None:
        return
    patch, corner = window
    layer = patch.copy()
    for size, paint in ((radius + 0.6 * unit, OUTLINE), (radius, colour)):
        at, scaled = _fixed(centre - corner), round(size * (1 << SUBPIXEL))
        cv2.circle(layer, at, scaled, paint, cv2.FILLED, cv2.LINE_AA, SUBPIXEL)
    cv2.addWeighted(layer, opacity, patch, 1 - opacity, 0, dst=patch)


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


def _fixed(point: NDArray[np.float64]) -> tuple[int, int]:
    x, y = np.clip(np.round(point * (1 << SUBPIXEL)), -(2**30), 2**30).astype(int).tolist()
    return x, y
