# SPDX-License-Identifier: Apache-2.0
"""Self-pairs: a photograph and bent, recoloured views of itself, with landmarks that need no annotation."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.media.image import Image
from fmmp_runtime.pose import minimum_spanning_tree
from fmmp_train.data.examples.augment import Augmentation, View, disturb, draw_placement, inside
from fmmp_train.data.examples.bend import Bend, apply_bend, draw_bend
from fmmp_train.data.examples.sources import Draw

Array = NDArray[np.float64]

MIN_LANDMARKS, MAX_LANDMARKS = 4, 68
_SMALLEST_SIDE = 32  # pixels of a photograph
_ATTEMPTS = 50
_SWAP_CHANCE = 0.35  # of views with another photograph around the region


def draw_region(centre: Array, radius: float, rng: np.random.Generator) -> Array:
    """Outline (n, 2) of a ragged round region, as an object might fill it."""
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    reach = radius * np.interp(
        angles, np.linspace(0, 2 * np.pi, 13), np.resize(rng.uniform(0.65, 1.1, 12), 13)
    )
    return np.asarray(centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1))


def draw_landmarks(image: Image, count: int, region: Array, rng: np.random.Generator) -> Array:
    """Up to `count` points (n, 2) of an image within a region, well apart: corners and any others mixed.

    Args:
        image: RGB.
        count: how many are wanted; fewer come where the region is small.
        region: (n, 2) outline, pixels.
        rng: the only source of randomness.
    """
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(region).astype(np.int32)], 255)
    spacing = 0.6 * np.sqrt(max(float(cv2.contourArea(region.astype(np.float32))), 1.0) / max(count, 4))
    num_corners = round(count * rng.uniform(0.3, 1))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    corners = cv2.goodFeaturesToTrack(grey, max(num_corners, 1), 0.01, spacing, mask=mask)
    chosen = [] if corners is None else list(corners.reshape(-1, 2).astype(np.float64))
    places = np.argwhere(mask)[:, ::-1].astype(np.float64)  # row, column -> x, y
    for at in rng.integers(len(places), size=6 * count) if len(places) else []:
        if len(chosen) >= count:
            break
        if not chosen or np.linalg.norm(np.array(chosen) - places[at], axis=1).min() >= spacing * 0.7:
            chosen.append(places[at])
    return np.array(chosen[:count]).reshape(-1, 2)


class SelfPairSource:
    """Photographs paired with changed views of themselves.

    Args:
        photographs: RGB uint8 (H, W, 3), at least 32 pixels a side.
        augmentation: placement and looks of every view.
        strength: how much views are bent; 1 is about as much as two photographs of one thing differ.

    Raises:
        ValueError: no photograph, or one that is too small.
    """

    name = "self-pairs"

    def __init__(
        self, photographs: Sequence[Image], augmentation: Augmentation | None = None, strength: float = 1.0
    ) -> None:
        if not photographs:
            raise ValueError("self-pairs need at least one photograph")
        for i, photo in enumerate(photographs):
            if min(photo.shape[:2]) < _SMALLEST_SIDE:
                raise ValueError(
                    f"photograph {i} is {photo.shape[1]} x {photo.shape[0]} pixels, "
                    f"expected at least {_SMALLEST_SIDE} a side"
                )
        self._photographs = [np.ascontiguousarray(photo) for photo in photographs]
        self._augmentation = augmentation or Augmentation()
        self._strength = strength

    def draw(self, rng: np.random.Generator, shots: int, size: int) -> Draw:
        """Draw a photograph, landmarks on a part of it, and `shots` + 1 views of that part.

        Raises:
            ValueError: no part of the photographs has room for landmarks.
        """
        for _ in range(_ATTEMPTS):
            number = int(rng.integers(len(self._photographs)))
            photo = self._photographs[number]
            height, width = photo.shape[:2]
            radius = min(height, width) * rng.uniform(0.18, 0.5)
            centre = rng.uniform((radius, radius), (width - radius, height - radius))
            region = draw_region(centre, radius, rng)
            # Few landmarks are the usual case, as in the categories of MP-100.
            count = int(MIN_LANDMARKS + (MAX_LANDMARKS - MIN_LANDMARKS) * rng.beta(1.1, 3))
            landmarks = draw_landmarks(photo, count, region, rng)
            if len(landmarks) >= MIN_LANDMARKS:
                break
        else:
            raise ValueError(f"no photograph has room for {MIN_LANDMARKS} landmarks: use larger ones")
        low, high = landmarks.min(0), landmarks.max(0)
        middle, side = (low + high) / 2, float((high - low).max()) * rng.uniform(1.25, 1.6)
        views = []
        for i in range(shots + 1):
            scale, rotation = draw_placement(rng, self._augmentation)
            bend = draw_bend(
                rng, middle, side, size, strength=self._strength, scale=scale, rotation_deg=rotation
            )
            start = (np.vstack([landmarks, region]) - middle) * (size / side) + size / 2
            points = bend.view_of(np.vstack([landmarks, region]), start)
            view = _look(photo, bend, points[: len(landmarks)], size)
            if rng.random() < _SWAP_CHANCE:
                view = self._swap_surroundings(view, points[len(landmarks) :], rng)
            views.append(disturb(view, rng, self._augmentation, is_support=i < shots))
        return Draw(views, minimum_spanning_tree(landmarks, np.ones(len(landmarks), np.bool_)), number)

    def _swap_surroundings(self, view: View, outline: Array, rng: np.random.Generator) -> View:
        """Put what lies within the outline (n, 2), view pixels, before another photograph."""
        if not np.isfinite(outline).all():
            return view
        size = view.image.shape[0]
        photo = self._photographs[int(rng.integers(len(self._photographs)))]
        side = int(min(photo.shape[:2]) * rng.uniform(0.4, 1))
        y, x = (int(rng.integers(0, n - side + 1)) for n in photo.shape[:2])
        other = cv2.resize(photo[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)
        middle = outline.mean(0)
        mask = np.zeros((size, size), np.uint8)
        cv2.fillPoly(mask, [np.rint(middle + 1.15 * (outline - middle)).astype(np.int32)], 255)
        weight = cv2.GaussianBlur(mask, (0, 0), 1.5).astype(np.float32) / 255
        return view._replace(
            image=np.asarray(cv2.blendLinear(view.image, other, weight, 1 - weight), np.uint8)
        )


def _look(photo: Image, bend: Bend, points: Array, size: int) -> View:
    """The view, with keypoints where `points` (K, 2) are found; those outside or NaN are hidden."""
    found = np.asarray(np.isfinite(points).all(1))
    points = np.where(found[:, None], points, 0)
    return View(apply_bend(photo, bend, size), points.astype(np.float32), found & inside(points, size))
