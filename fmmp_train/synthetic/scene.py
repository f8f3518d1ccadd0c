# SPDX-License-Identifier: Apache-2.0
"""What surrounds an object in a picture, and what a camera makes of it."""

from __future__ import annotations

import cv2
import numpy as np

from fmmp_train.synthetic.backdrops import SIDE
from fmmp_train.synthetic.bank import SCRAP, TextureBank
from fmmp_train.synthetic.outlines import Shape
from fmmp_train.synthetic.paint import NOBODY, paint_polygon
from fmmp_train.synthetic.textures import Array, Image

OCCLUDER = NOBODY - 1  # owner of a pixel of what stands before the object


def draw_backdrop(bank: TextureBank, rng: np.random.Generator, size: int) -> Image:
    """A random crop of a random background, turned, zoomed and recoloured: RGB (size, size, 3)."""
    scene = bank.backdrops[rng.integers(len(bank.backdrops))]
    zoom = size / SIDE * rng.uniform(1.0, 2.0)
    angle = rng.normal(0, 0.15)
    flip = -1 if rng.random() < 0.5 else 1
    c, s = zoom * np.cos(angle), zoom * np.sin(angle)
    matrix = np.array([[c * flip, -s, 0], [s * flip, c, 0]])
    matrix[:, 2] = size / 2 - matrix[:, :2] @ (SIDE / 2 + rng.normal(0, SIDE / 8, 2))
    backdrop = cv2.warpAffine(
        scene, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    gain = rng.uniform(0.6, 1.25) * np.exp(rng.normal(0, 0.08, 3))
    mixing = np.diag(gain)
    if rng.random() < 0.12:  # other hues of the same scene
        mixing = mixing[rng.permutation(3)]
    return np.asarray(cv2.transform(backdrop, mixing), np.uint8)


def surround(canvas: Image, bank: TextureBank, rng: np.random.Generator, low: Array, high: Array) -> None:
    """Paint a few things where the object will stand, box `low` to `high`, and near it."""
    size = canvas.shape[0]
    for _ in range(int(rng.integers(0, 7))):
        at = rng.uniform(low - 0.1 * size, high + 0.1 * size)
        _paint_thing(canvas, None, bank, rng, _random_outline(rng, at, size * rng.uniform(0.04, 0.25)))


def occlude(
    canvas: Image, owners: Image | None, bank: TextureBank, rng: np.random.Generator, low: Array, high: Array
) -> None:
    """Paint one or two things before the object."""
    size = canvas.shape[0]
    for _ in range(int(rng.integers(1, 3))):
        at = rng.uniform(low, high)
        _paint_thing(canvas, owners, bank, rng, _random_outline(rng, at, size * rng.uniform(0.04, 0.14)))


def _paint_thing(
    canvas: Image, owners: Image | None, bank: TextureBank, rng: np.random.Generator, outline: Array
) -> None:
    """Fill an outline (n, 2), pixels, with a random piece of texture."""
    low, high = outline.min(0), outline.max(0)
    scale = max(float((high - low).max()), 1.0) / SCRAP[0]
    texture_map = np.array([[scale, 0, low[0]], [0, scale, low[1]]])
    patch = bank.scraps[rng.integers(len(bank.scraps))]
    paint_polygon(canvas, owners, OCCLUDER, Shape(outline, texture_map, True, 1.0), patch)


def _random_outline(rng: np.random.Generator, centre: Array, radius: float) -> Array:
    """A bar, box, round or ragged polygon (n, 2) around `centre`."""
    kind = rng.integers(4)
    angle = rng.uniform(0, 2 * np.pi)
    if kind == 0:
        ring = np.array([[-1.6, -0.22], [1.6, -0.22], [1.6, 0.22], [-1.6, 0.22]]) * rng.uniform(0.5, 1.5, 2)
    elif kind == 1:
        ring = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(0.4, 1.1, 2)
    else:
        t = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        ring = np.stack([np.cos(t), np.sin(t)], 1) * rng.uniform(0.4, 1.1, 2)
        if kind == 3:
            ring = ring * rng.uniform(0.65, 1.25, (16, 1))
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(ring * radius @ np.array([[c, s], [-s, c]]) + centre)


def through_camera(canvas: Image, bank: TextureBank, rng: np.random.Generator) -> Image:
    """Uneven light, colour cast, contrast, blur, grain and JPEG blocks, as cameras add them."""
    size = canvas.shape[0]
    if rng.random() < 0.6:  # light that falls off across the picture, or dappled shade
        grid = int(rng.choice([2, 2, 3, 5]))
        field = (110 * np.exp(rng.normal(-0.03, 0.22, (grid, grid)))).clip(0, 255).astype(np.uint8)
        lit = cv2.resize(cv2.merge([field] * 3), (size, size), interpolation=cv2.INTER_CUBIC)
        canvas = np.asarray(cv2.multiply(canvas, lit, scale=1 / 110), np.uint8)
    gain = rng.uniform(0.6, 1.2) * np.exp(rng.normal(0, 0.05, 3))
    grey = rng.uniform(0, 1) if rng.random() < 0.1 else rng.uniform(-0.1, 0.35)  # below 0: more saturated
    mixing = np.diag(gain * (1 - grey)) + np.outer(gain, [0.3, 0.59, 0.11]) * grey
    offset = (1 - gain.mean()) * rng.uniform(0, 90)
    canvas = np.asarray(cv2.transform(canvas, np.column_stack([mixing, np.full(3, offset)])), np.uint8)
    if rng.random() < 0.12:  # the crop reaches beyond the photograph: black there
        side, depth = int(rng.integers(4)), int(size * rng.uniform(0.02, 0.08))
        np.rot90(canvas, side)[:depth] = 0
    draw = rng.random()
    if draw < 0.3:
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.4, 1.4))), np.uint8)
    elif draw < 0.4:  # a small picture that was enlarged
        small = int(size * rng.uniform(0.35, 0.75))
        shrunk = cv2.resize(canvas, (small, small), interpolation=cv2.INTER_AREA)
        canvas = np.asarray(cv2.resize(shrunk, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.5:
        y, x = rng.integers(0, 320 - min(size, 320) + 1, 2)
        grain = bank.grain[y : y + size, x : x + size]
        if grain.shape[:2] != (size, size):
            grain = np.asarray(cv2.resize(bank.grain, (size, size)), np.uint8)
        strength = float(rng.uniform(1, 7)) / bank.GRAIN_SPREAD
        canvas = np.asarray(cv2.addWeighted(canvas, 1, grain, strength, -128 * strength), np.uint8)
    if rng.random() < 0.25:
        _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))])
        canvas = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return canvas
