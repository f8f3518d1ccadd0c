# SPDX-License-Identifier: Apache-2.0
"""The bank of textures and backgrounds that all categories share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from fmmp_train.synthetic.backdrops import make_backdrops
from fmmp_train.synthetic.textures import (
    FIELD,
    Array,
    Image,
    Texture,
    colourise,
    make_fields,
    natural_colour,
    normalise,
)

SCRAP = (96, 96)  # height, width of a piece
_NUM_SCRAPS = 256
_MARGIN = 128  # wrapped border of a field, so that a patch is one slice


class TextureBank:
    """Fields and backgrounds shared by all categories; made once, a pure function of its arguments.

    Args:
        seed: of the procedural fields and scenes.
        photographs: RGB uint8 images (H, W, 3) that join both; none are needed.
    """

    GRAIN_SPREAD = 30.0  # standard deviation of the stored grain, around 128

    def __init__(self, seed: int = 0, photographs: Sequence[Image] = ()) -> None:
        rng = np.random.default_rng((seed, 0x7E87))
        fields = make_fields(rng)
        self.photographs = [np.ascontiguousarray(photo) for photo in photographs]
        for photo in self.photographs:
            fields += _photographic_fields(rng, photo)
        self.fields = [np.pad(field, ((0, _MARGIN), (0, _MARGIN)), mode="wrap") for field in fields]
        self.backdrops = make_backdrops(fields, self.photographs, rng)
        # Grain of a sensor, correlated a little as demosaicing leaves it; sliced by the painter.
        grain = cv2.GaussianBlur(rng.normal(0, 1, (320, 320, 3)), (0, 0), 0.6)
        self.grain = np.clip(128 + grain / grain.std() * self.GRAIN_SPREAD, 0, 255).astype(np.uint8)
        # Coloured pieces for what lies around an object.
        self.scraps: list[Image] = []
        for _ in range(_NUM_SCRAPS):
            field, table = self.draw_texture(rng).worn(rng, np.ones(3), len(self.fields))
            self.scraps.append(self.patch(field, table, rng, *SCRAP))

    def patch(self, field: int, table: Image, rng: np.random.Generator, height: int, width: int) -> Image:
        """RGB (height, width, 3): a random place of a field, coloured by a look-up table."""
        y, x = rng.integers(0, FIELD + _MARGIN - height), rng.integers(0, FIELD + _MARGIN - width)
        return colourise(self.fields[field][y : y + height, x : x + width], table)

    def draw_texture(
        self, rng: np.random.Generator, colour: Array | None = None, freedom: float = 0.0
    ) -> Texture:
        """A texture of a random family around `colour` (RGB), by default a natural one."""
        base = natural_colour(rng) if colour is None else colour
        kind = rng.random()
        if kind < 0.7:  # one material: shades of one colour
            depth = rng.uniform(0.05, 0.45)
            colours = np.stack([base * (1 - depth), base, base * (1 + depth * 0.7) + 12 * depth])
            sharpness = 0.0
        else:  # a pattern of two or three colours
            other = natural_colour(rng)
            colours = np.stack([base, other] if kind < 0.9 else [base, other, natural_colour(rng)])
            sharpness = float(rng.choice([0.0, 0.6, 0.95]))
        return Texture(int(rng.integers(len(self.fields))), np.clip(colours, 3, 252), sharpness, freedom)


def _photographic_fields(rng: np.random.Generator, photo: Image) -> list[Image]:
    """Four grey crops of one photograph, mirrored so that they tile."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    fields = []
    for _ in range(4):
        side = int(min(*grey.shape, rng.integers(48, 257)))
        y, x = rng.integers(0, grey.shape[0] - side + 1), rng.integers(0, grey.shape[1] - side + 1)
        tile = cv2.resize(
            grey[y : y + side, x : x + side], (FIELD // 2, FIELD // 2), interpolation=cv2.INTER_AREA
        )
        tile = np.hstack([tile, tile[:, ::-1]])
        fields.append(normalise(np.vstack([tile, tile[::-1]]).astype(np.float64)))
    return fields


@lru_cache(maxsize=1)
def default_bank() -> TextureBank:
    """The procedural bank that a category uses when it is given none."""
    return TextureBank()
