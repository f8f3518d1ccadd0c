# SPDX-License-Identifier: Apache-2.0
"""Backgrounds: scenes of grounds, walls, blurred things and photographs, made once and cropped at random."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fmmp_train.synthetic.textures import FIELD, Image, colourise, natural_colour, ramp

SIDE = 384  # pixels of a stored background
_COUNT = 56
_CROPS_PER_PHOTOGRAPH = 3


def make_backdrops(
    fields: Sequence[Image], photographs: Sequence[Image], rng: np.random.Generator
) -> list[Image]:
    """RGB backgrounds (SIDE, SIDE, 3); photographs add crops of themselves."""
    scenes = [_scene(fields, rng) for _ in range(_COUNT)]
    for photo in photographs:
        scenes += [_photo_crop(photo, rng) for _ in range(_CROPS_PER_PHOTOGRAPH)]
    return scenes


def _surface(fields: Sequence[Image], rng: np.random.Generator) -> Image:
    """One textured surface with two to four shades."""
    field = fields[int(rng.integers(len(fields)))]
    side = int(rng.integers(FIELD // 3, FIELD + 1))
    y, x = rng.integers(0, FIELD - side + 1, 2)
    enlarged = cv2.resize(field[y : y + side, x : x + side], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    base = natural_colour(rng)
    contrast = rng.uniform(0.05, 0.5)
    shades = [base * (1 - contrast), base, base + (255 - base) * contrast * 0.6]
    if rng.random() < 0.25:
        shades.append(natural_colour(rng))
    return colourise(np.asarray(enlarged, np.uint8), ramp(np.stack(shades), 0.0))


def _scene(fields: Sequence[Image], rng: np.random.Generator) -> Image:
    """A wall or sky, often a ground below a horizon, and things standing about, more or less out of focus."""
    scene = _surface(fields, rng)
    if rng.random() < 0.2:  # plain studio background
        scene = _soften(scene, 30)
    if rng.random() < 0.6:
        ground = _surface(fields, rng)
        y0, y1 = SIDE * rng.uniform(0.3, 0.85) + rng.normal(0, 12, 2)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(mask, [np.array([[0, y0], [SIDE, y1], [SIDE, SIDE], [0, SIDE]], np.int32)], 255)
        mask = _soften(mask, rng.uniform(0.6, 6))
        scene = _mix(scene, ground, mask)
    for _ in range(int(rng.integers(0, 14))):
        scene = _mix(scene, _surface(fields, rng), _thing_mask(rng))
    if rng.random() < 0.65:
        scene = _soften(scene, rng.uniform(0.5, 4.5))
    return np.asarray(scene, np.uint8)


def _soften(image: Image, sigma: float) -> Image:
    """Gaussian blur of `sigma` pixels, made on a smaller picture where that shows no difference."""
    side = min(SIDE, max(12, round(SIDE * 1.5 / sigma)))
    if side < SIDE:
        image = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma * side / SIDE), np.uint8)
    if side < SIDE:
        image = np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)
    return image


def _mix(below: Image, above: Image, mask: Image) -> Image:
    weight = mask.astype(np.float32) / 255
    return np.asarray(cv2.blendLinear(above, below, weight, 1 - weight), np.uint8)


def _thing_mask(rng: np.random.Generator) -> Image:
    """Where one thing of the surroundings is: a box, a round thing, a leaf, a bar, a ragged blot."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre = rng.uniform(0, SIDE, 2)
    size = rng.uniform(8, 90, 2)
    kind = rng.integers(4)
    if kind == 0:
        box = cv2.boxPoints((tuple(centre), tuple(size * 2), float(rng.normal(0, 20))))
        cv2.fillPoly(mask, [box.astype(np.int32)], 255, cv2.LINE_AA)
    elif kind == 1:
        cv2.ellipse(
            mask, (tuple(centre), tuple(size * 1.5), float(rng.uniform(0, 180))), 255, -1, cv2.LINE_AA
        )
    elif kind == 2:
        end = centre + rng.normal(0, 200, 2)
        ends = np.stack([centre, end]).astype(np.int32)
        cv2.polylines(mask, [ends], False, 255, int(rng.integers(2, 24)), cv2.LINE_AA)
    else:
        angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        radius = size.mean() * rng.uniform(0.6, 1.4, 14)
        blot = centre + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(mask, [blot.astype(np.int32)], 255, cv2.LINE_AA)
    if rng.random() < 0.3:
        mask = _soften(mask, rng.uniform(1, 6))
    return np.asarray(mask, np.uint8)


def _photo_crop(photo: Image, rng: np.random.Generator) -> Image:
    """A random square of a photograph."""
    height, width = photo.shape[:2]
    side = int(min(height, width) * rng.uniform(0.35, 1))
    y, x = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    crop = cv2.resize(photo[y : y + side, x : x + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)
