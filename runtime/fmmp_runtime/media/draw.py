# SPDX-License-Identifier: Apache-2.0
"""Pictures of poses: one colour a keypoint, the same on the support and on every query."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fmmp_runtime.media import UNSURE
from fmmp_runtime.media.image import Image
from fmmp_runtime.media.labels import draw_labels, draw_legend
from fmmp_runtime.media.strokes import (
    draw_arrow,
    draw_box,
    draw_cross,
    draw_disc,
    draw_dot,
    draw_line,
    draw_ring,
)

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
    [(105, 50, 200), (59, 100, 190), (33, 145, 160), (53, 183, 121), (160, 218, 57), (253, 231, 37)]
)
ATTENTION, REFERENCE = (86, 180, 233), (213, 94, 0)  # of Okabe and Ito: blue dots, a vermilion cross
RADIUS = 2.8  # of a keypoint, in widths of a line
FINEST = 0.5  # pixels: what is thinner isn't seen


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
    *,
    box: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    threshold: float = UNSURE,
    legend: Sequence[str] = (),
) -> Image:
    """Draw a skeleton on a copy of the image; the smaller the object and the denser its points, the finer.

    Args:
        image: (H, W, 3) RGB uint8.
        keypoints_px: (K, 2) x, y.
        visible: (K,) bool; the others are left out, and their links.
        links: (E, 2) keypoint indices.
        score: (K,) in [0, 1]; what lies below `threshold` is hollow, its links dashed. None: all filled.
        colours: (K, 3) RGB; None: `palette`.
        box: (4,) x, y, width, height of the object, drawn unless it is the whole image; None: none is drawn.
        labels: K texts, written beside the keypoints.
        threshold: of the score.
        legend: what filled and hollow mean, two texts, said in a corner where anything is hollow.

    Returns:
        (H, W, 3) RGB uint8.
    """
    points = np.asarray(keypoints_px, np.float64)
    shown = np.asarray(visible, np.bool_) & np.isfinite(points).all(1)
    trust = np.ones(len(points)) if score is None else np.asarray(score, np.float64)
    sure = trust >= threshold
    paints = palette(len(points)) if colours is None else np.asarray(colours, np.uint8)
    unit = line_width(image, points[shown], box)
    canvas: Image = image.copy()
    if box is not None and not _is_whole(np.asarray(box, np.float64), image):
        draw_box(canvas, np.asarray(box, np.float64), unit)
    for start, end in np.asarray(links, np.int64).reshape(-1, 2):
        if shown[start] and shown[end]:
            colour = (paints[start].astype(np.int64) + paints[end]) // 2
            dashed = not (sure[start] and sure[end])
            ends = _up_to_rings(points[[start, end]], ~sure[[start, end]], RADIUS * unit)
            draw_line(canvas, ends, colour.tolist(), unit, dashed)
    for k in np.flatnonzero(shown)[np.argsort(trust[shown], kind="stable")]:  # the surest on top
        draw = draw_disc if sure[k] else draw_ring
        draw(canvas, points[k], paints[k].tolist(), RADIUS * unit, unit)
    if labels is not None:
        beside = [labels[k] for k in np.flatnonzero(shown).tolist()]
        draw_labels(canvas, points[shown], beside, 4 * unit, unit)
    if legend and not sure[shown].all():
        draw_legend(canvas, points[shown], legend)
    return canvas


def score_legend(threshold: float = UNSURE) -> tuple[str, str]:
    """The legend of scores."""
    return f"score {threshold:g} or more", "less: unsure"


def draw_errors(image: Image, found_px: ArrayLike, truth_px: ArrayLike, visible: ArrayLike) -> Image:
    """Draw an arrow from each keypoint that was found to where it is: black, in a white case.

    Args:
        image: (H, W, 3) RGB uint8.
        found_px: (K, 2) x, y.
        truth_px: (K, 2).
        visible: (K,) bool; the others get none.
    """
    found, truth = np.asarray(found_px, np.float64), np.asarray(truth_px, np.float64)
    shown = np.asarray(visible, np.bool_) & np.isfinite(found).all(1) & np.isfinite(truth).all(1)
    unit = line_width(image, truth[shown])
    canvas: Image = image.copy()
    for k in np.flatnonzero(shown):
        draw_arrow(canvas, found[k], truth[k], unit)
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
    unit = image_unit(image)
    canvas: Image = image.copy()
    for k in np.argsort(share, kind="stable"):  # the heaviest on top
        if share[k] > 0:
            draw_dot(canvas, points[k], ATTENTION, 1.8 * unit, float(np.sqrt(share[k])))
    draw_cross(canvas, np.asarray(reference_px, np.float64), REFERENCE, 5 * unit, unit)
    return canvas


def image_unit(image: Image) -> float:
    """Width of a line in pixels where nothing is small: pictures of any size look alike."""
    return max(1.0, float(min(image.shape[:2])) / 200)


def line_width(image: Image, points: NDArray[np.float64], box: ArrayLike | None = None) -> float:
    """Width of a line in pixels: that of the image, less where the object is small or its points are dense.

    Half of the points keep a gap to their nearest neighbour: a disc with its rings is 8.4 units wide.
    """
    limits = [image_unit(image)]
    side = float(np.asarray(box, np.float64)[2:].max()) if box is not None else _extent(points)
    if side > 0:
        limits.append(side / 60)
    if len(points) > 2:
        apart = np.linalg.norm(points[:, None] - points[None], axis=2)
        nearest = np.where(apart > 0, apart, np.inf).min(1)  # of points that coincide, the next one
        if np.isfinite(nearest).any():
            limits.append(float(np.median(nearest)) / 10)
    return max(FINEST, min(limits))


def _up_to_rings(ends: NDArray[np.float64], hollow: NDArray[np.bool_], radius: float) -> NDArray[np.float64]:
    """A link's (2, 2) ends, moved to the edge of a hollow point, so that its inside stays free."""
    along = ends[1] - ends[0]
    length = float(np.linalg.norm(along))
    step = along * (min(radius / length, 0.5) if length > 0 else 0)
    moved: NDArray[np.float64] = ends + np.stack([step * hollow[0], -step * hollow[1]])
    return moved


def _extent(points: NDArray[np.float64]) -> float:
    return float(np.ptp(points, axis=0).max()) if len(points) > 1 else 0.0


def _is_whole(box: NDArray[np.float64], image: Image) -> bool:
    """Whether a box is all of its image, but for the pixel that sanitising takes away."""
    return bool((box[:2] <= 1).all() and (box[:2] + box[2:] >= np.array(image.shape[1::-1]) - 2).all())
