# SPDX-License-Identifier: Apache-2.0
"""Pictures with coloured dots, and where the dots are found again."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Array = NDArray[np.float64]


def colours(count: int) -> list[tuple[int, int, int]]:
    """Saturated RGB colours, far apart in hue."""
    hues = [colorsys.hsv_to_rgb(i / count, 1, 1) for i in range(count)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in hues]


def draw(shape: tuple[int, int], points: Array, radius: int = 4) -> Image:
    """A grey picture (H, W, 3) with one dot at each point (K, 2); K at most 6."""
    image = np.full((*shape, 3), 90, np.uint8)
    for (x, y), colour in zip(points, colours(len(points)), strict=True):
        cv2.circle(image, (round(x * 16), round(y * 16)), radius * 16, colour, -1, cv2.LINE_AA, 4)
    return image


def find(image: Image, count: int) -> Array:
    """Centre of each dot, (count, 2), pixels weighted by their saturation; NaN where it is not to be seen."""
    found = np.full((count, 2), np.nan)
    saturation = (image.max(2).astype(float) - image.min(2)) / 255
    distances = np.stack([np.abs(image.astype(float) - np.array(c)).max(2) for c in colours(count)])
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    for i in range(count):
        own = (distances.argmin(0) == i) & (distances[i] < 140) & (saturation > 0.35)
        weight = np.where(own, saturation, 0)
        if weight.sum() > 3:
            found[i] = (weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()
    return found
