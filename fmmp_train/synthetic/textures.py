# SPDX-License-Identifier: Apache-2.0
"""Textures: a bank of grey fields made once, and palettes that colour them anew for every instance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

FIELD = 256  # pixels a side; fields tile
_OTHER_FIELD_CHANCE = 0.5  # of an instance that differs in colour, to differ in pattern too
NUM_MATERIALS = 14  # fields, the first ones, without any pattern

# Colours that things have, as (mean RGB, spread): fur, skin, cloth, paint, leaves, metal, plastic.
_COLOURS = np.array(
    [
        [120, 82, 52],
        [176, 128, 84],
        [74, 52, 38],
        [205, 178, 140],
        [224, 186, 160],
        [150, 102, 78],
        [236, 232, 226],
        [190, 190, 192],
        [118, 120, 124],
        [62, 62, 66],
        [28, 27, 30],
        [150, 34, 34],
        [196, 92, 38],
        [214, 178, 60],
        [62, 104, 48],
        [126, 150, 84],
        [36, 84, 130],
        [92, 142, 190],
        [66, 56, 110],
        [172, 116, 150],
    ],
    dtype=np.float64,
)


def natural_colour(rng: np.random.Generator) -> Array:
    """One RGB colour (3,), 0 to 255: near a colour of fur, skin, cloth, paint, leaves or metal."""
    if rng.random() < 0.08:  # anything, so that no colour is impossible
        return np.asarray(rng.uniform(10, 245, 3))
    colour = _COLOURS[rng.integers(len(_COLOURS))] * rng.uniform(0.75, 1.25) + rng.normal(0, 10, 3)
    pale = rng.uniform(0, 0.6)  # most things are greyer than paint
    return np.asarray(np.clip(colour * (1 - pale) + colour.mean() * pale, 6, 249))


def normalise(field: Array) -> Image:
    """Spread a field over 0 to 255, but for its outermost hundredths."""
    low, high = np.percentile(field, (1, 99))
    spread = np.clip((field - low) / max(float(high - low), 1e-9) * 255, 0, 255)
    return np.asarray(spread, np.uint8)


def _spectral(rng: np.random.Generator, slope: float, stretch: float, angle: float) -> Array:
    """Tiling noise with an amplitude spectrum 1 / f^slope, drawn out `stretch` times along `angle` (rad)."""
    frequency = np.fft.fftfreq(FIELD)
    fx, fy = np.meshgrid(frequency, frequency)
    along, across = np.cos(angle) * fx + np.sin(angle) * fy, -np.sin(angle) * fx + np.cos(angle) * fy
    radius = np.hypot(along * stretch, across)
    radius[0, 0] = 1.0
    spectrum = np.fft.fft2(rng.normal(size=(FIELD, FIELD))) / np.maximum(radius, 1.5 / FIELD) ** slope
    spectrum[0, 0] = 0
    return np.asarray(np.fft.ifft2(spectrum).real)


def _cells(rng: np.random.Generator, count: int, borders: bool) -> Array:
    """Tiling distance to the nearest of `count` seeds, or thin borders between their cells."""
    seeds = rng.integers(0, FIELD, (count, 2))
    canvas = np.full((FIELD, FIELD), 255, np.uint8)
    canvas[seeds[:, 0], seeds[:, 1]] = 0
    tiled = np.tile(canvas, (3, 3))
    distance, labels = cv2.distanceTransformWithLabels(tiled, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    middle = slice(FIELD, 2 * FIELD)
    if not borders:
        return np.asarray(distance[middle, middle], np.float64)
    edges = cv2.Laplacian((labels % 251).astype(np.float32), cv2.CV_32F) != 0
    width = float(rng.uniform(0.8, 2.5))
    blurred = cv2.GaussianBlur(edges.astype(np.float64), (0, 0), width)
    return np.asarray(blurred[middle, middle], np.float64)


def _stripes(rng: np.random.Generator, waves: int, wobble: float) -> Array:
    y, x = np.mgrid[:FIELD, :FIELD] / FIELD
    phase = wobble * _spectral(rng, 2.2, 1, 0)
    phase /= max(float(np.abs(phase).max()), 1e-9) / max(wobble, 1e-9)
    kx, ky = rng.permutation([waves, int(rng.integers(-2, 3))])
    return np.asarray(np.sin(2 * np.pi * (kx * x + ky * y + phase)))


def _checks(rng: np.random.Generator, waves: int) -> Array:
    t = np.arange(FIELD) / FIELD
    line = np.sin(2 * np.pi * waves * t) + 0.5 * np.sin(2 * np.pi * waves * 2 * t + rng.uniform(0, 6))
    if rng.random() < 0.5:
        line = np.sign(line)
    return np.asarray(line[:, None] + line[None, :])


def make_fields(rng: np.random.Generator) -> list[Image]:
    """Grey tiling fields (FIELD, FIELD) uint8 of many families, each spread over the whole range."""
    fields: list[Array] = []
    for slope in np.linspace(0.7, 2.4, NUM_MATERIALS):  # clouds, plaster, sand
        fields.append(_spectral(rng, slope, 1, 0))
    for _ in range(10):  # fur, grass, wood, brushed metal
        fields.append(_spectral(rng, rng.uniform(1.0, 1.7), rng.uniform(3, 12), rng.uniform(0, np.pi)))
    for _ in range(6):  # veins, marble, wrinkles
        fields.append(-np.abs(_spectral(rng, rng.uniform(1.4, 2), rng.uniform(1, 3), rng.uniform(0, np.pi))))
    for count in (30, 80, 200, 600):  # pebbles, scales, skin
        fields.append(_cells(rng, count, borders=False))
        fields.append(_cells(rng, count, borders=True))
    for _ in range(8):  # spots and patches
        noise = _spectral(rng, rng.uniform(1.6, 2.6), 1, 0)
        noise /= noise.std()
        fields.append(np.tanh((noise - rng.uniform(-0.5, 0.8)) * rng.uniform(3, 12)))
    for _ in range(8):
        fields.append(_stripes(rng, int(rng.integers(2, 14)), rng.uniform(0, 1.2)))
    for _ in range(4):
        fields.append(_checks(rng, int(rng.integers(3, 12))))
    images = [normalise(field) for field in fields]
    # Flat surfaces are common: a little grain around the middle of the range.
    images += [(118 + (image.astype(np.int16) - 128) // 6).astype(np.uint8) for image in images[:12]]
    return images


def ramp(colours: Array, sharpness: float) -> Image:
    """Look-up table (256, 3) that colours a grey field: `colours` (n, 3) spread over the range.

    Sharpness 0 blends evenly between neighbours; 1 leaves steps, as painted or printed patterns have.
    """
    table: Image = np.clip(_ramp_weights(len(colours), sharpness) @ colours, 0, 255).astype(np.uint8)
    return table


def colourise(field: Image, table: Image) -> Image:
    """Grey (H, W) -> RGB (H, W, 3) by a look-up table of `ramp`."""
    return np.asarray(cv2.applyColorMap(field, table[:, None]), np.uint8)


@lru_cache(maxsize=64)
def _ramp_weights(count: int, sharpness: float) -> Array:
    """(256, count): the share of each colour in each entry."""
    steps = np.linspace(0, count - 1, 256)
    low = np.minimum(steps.astype(np.int64), count - 2)
    part = np.clip((steps - low - 0.5) / max(1 - sharpness, 0.02) + 0.5, 0, 1)
    weights = np.zeros((256, count))
    weights[np.arange(256), low] = 1 - part
    weights[np.arange(256), low + 1] = part
    return weights


@dataclass(frozen=True)
class Texture:
    """What one kind of part looks like throughout a category: a family of fields and its colours."""

    field: int
    colours: Array  # (n, 3) RGB, 0 to 255
    sharpness: float
    freedom: float  # 0: the same colours in every instance; 1: drawn anew

    def worn(self, rng: np.random.Generator, tint: Array, num_fields: int) -> tuple[int, Image]:
        """What one instance shows of it: a field and a look-up table (256, 3).

        Args:
            rng: the only source of randomness.
            tint: (3,) gain that all parts of the instance share.
            num_fields: how many there are to choose another one from; what has no pattern gets none.
        """
        colours, field = self.colours, self.field
        if self.freedom > 0 and rng.random() < self.freedom:
            colours = colours + (natural_colour(rng) - colours.mean(0)) * rng.uniform(0.6, 1)
            if rng.random() < _OTHER_FIELD_CHANCE:
                field = int(rng.integers(NUM_MATERIALS if field < NUM_MATERIALS else num_fields))
        return field, ramp(np.clip(colours * tint + rng.normal(0, 9, 3), 2, 253), self.sharpness)
