# SPDX-License-Identifier: Apache-2.0
"""Bent views of a photograph: a smooth map, its inverse, and the picture it gives."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.media.image import Image

Array = NDArray[np.float64]

_GRID = 33  # nodes a side where the bend is computed; between them it is interpolated
_NEWTON_STEPS = 8
_CLOSE = 1e-2  # source pixels


class Bend(NamedTuple):
    """A smooth map from pixels of a view to pixels of its photograph: projective, plus waves."""

    projective: Array  # (3, 3), view pixels -> source pixels
    waves: Array  # (n, 2), radians a view pixel
    phases: Array  # (n,)
    heights: Array  # (n, 2), view pixels

    def source_of(self, points: Array) -> Array:
        """(..., 2) view pixels -> source pixels."""
        moved = points + np.sin(points @ self.waves.T + self.phases) @ self.heights
        lifted = moved @ self.projective[:, :2].T + self.projective[:, 2]
        return np.asarray(lifted[..., :2] / lifted[..., 2:])

    def view_of(self, sources: Array, start: Array) -> Array:
        """The way back, (K, 2), by Newton's method from `start` (K, 2); NaN where it finds none."""
        points = start.copy()
        step = 0.5  # pixels, of the difference quotient
        for _ in range(_NEWTON_STEPS):
            here = self.source_of(points)
            along_x = (self.source_of(points + np.array([step, 0])) - here) / step
            along_y = (self.source_of(points + np.array([0, step])) - here) / step
            missing = sources - here
            scale = along_x[:, 0] * along_y[:, 1] - along_x[:, 1] * along_y[:, 0]
            scale = np.where(np.abs(scale) < 1e-9, np.nan, scale)
            dx = (missing[:, 0] * along_y[:, 1] - missing[:, 1] * along_y[:, 0]) / scale
            dy = (along_x[:, 0] * missing[:, 1] - along_x[:, 1] * missing[:, 0]) / scale
            points = points + np.stack([dx, dy], 1)
        missing = np.abs(self.source_of(points) - sources).max(1)
        return np.where((missing < _CLOSE)[:, None], points, np.nan)


def draw_bend(
    rng: np.random.Generator,
    centre: Array,
    side: float,
    size: int,
    *,
    strength: float,
    scale: float,
    rotation_deg: float,
) -> Bend:
    """Draw the map of a view.

    Args:
        rng: the only source of randomness.
        centre: (2,) middle of what the view shows, source pixels.
        side: length of what it shows, source pixels.
        size: pixels of the view a side.
        strength: 0 is a similarity; 1 shears, foreshortens and bends it about as much as two photographs of
            one thing differ.
        scale: above 1 the content gets smaller.
        rotation_deg: turns the content counter-clockwise.
    """
    angle = np.deg2rad(rotation_deg)
    zoom = side / size * scale
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear = np.eye(2) + strength * rng.normal(0, 0.12, (2, 2))
    middle = np.array([[1, 0, -size / 2], [0, 1, -size / 2], [0, 0, 1]])
    tilt = np.eye(3)
    tilt[2, :2] = strength * rng.normal(0, 0.25, 2).clip(-0.5, 0.5) / size
    place = np.eye(3)
    place[:2, :2], place[:2, 2] = turn @ shear, centre
    num_waves = 4
    lengths = rng.uniform(0.5, 1.6, num_waves) * size  # pixels from crest to crest
    angles = rng.uniform(0, np.pi, num_waves)
    waves = (2 * np.pi / lengths)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    heights = strength * rng.normal(0, 1, (num_waves, 2)).clip(-2, 2)
    # Each wave moves its slopes by about a twentieth: far from folding the picture.
    heights *= 0.2 / num_waves / np.linalg.norm(waves, axis=1, keepdims=True)
    return Bend(place @ tilt @ middle, waves, rng.uniform(0, 2 * np.pi, num_waves), heights)


def apply_bend(image: Image, bend: Bend, size: int) -> Image:
    """Look at an image through a bend: (size, size, 3), black outside the image."""
    nodes = np.linspace(0, size - 1, _GRID)
    coarse = bend.source_of(np.stack(np.meshgrid(nodes, nodes), -1)).astype(np.float32)
    # cv2.resize aligns pixel areas; this aligns corner nodes with corner pixels, as the nodes were set.
    step = (_GRID - 1) / (size - 1)
    align = np.array([[step, 0, 0], [0, step, 0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fine = cv2.warpAffine(coarse, align, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.remap(image, fine[..., 0], fine[..., 1], cv2.INTER_LINEAR), np.uint8)
