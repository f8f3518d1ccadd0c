# SPDX-License-Identifier: Apache-2.0
"""Paint shapes into a picture: only each part's own box is touched, edges are smooth."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from fmmp_train.synthetic.bank import TextureBank
from fmmp_train.synthetic.outlines import BLOB_PATCH, LIMB_PATCH, PLATE_PATCH, Shape
from fmmp_train.synthetic.textures import Array, Image, Texture

NOBODY = 255  # owner of a pixel of the background
_SHIFT = 4  # bits of sub-pixel position in OpenCV's polygons
_NEUTRAL = 160  # shade of a part that stays as its texture is
_PATCHES = {"limb": LIMB_PATCH, "blob": BLOB_PATCH, "disc": BLOB_PATCH}  # texels; others PLATE_PATCH
_INVERSE_255 = np.float32(1 / 255)


def paint_polygon(canvas: Image, owners: Image | None, owner: int, shape: Shape, patch: Image) -> None:
    """Fill a shape with its patch (RGB texels); `owners` (H, W) remembers who was painted last at a pixel."""
    height, width = canvas.shape[:2]
    polygon = np.rint(shape.polygon * (1 << _SHIFT)).astype(np.int32)
    x, y, w, h = cv2.boundingRect(polygon)
    x0, y0 = max((x >> _SHIFT) - 1, 0), max((y >> _SHIFT) - 1, 0)
    x1, y1 = min(((x + w) >> _SHIFT) + 2, width), min(((y + h) >> _SHIFT) + 2, height)
    if x1 <= x0 or y1 <= y0:
        return
    matrix = shape.texture_map.copy()
    if not abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]) > 1e-6:
        return  # seen edge on
    polygon -= np.array([x0 << _SHIFT, y0 << _SHIFT], np.int32)
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillPoly(mask, [polygon], 255, cv2.LINE_AA, _SHIFT)
    matrix[:, 2] -= (x0, y0)
    texture = cv2.warpAffine(
        patch, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    if abs(shape.brightness - 1) > 0.02:
        texture = cv2.convertScaleAbs(texture, alpha=shape.brightness)
    region = canvas[y0:y1, x0:x1]
    weight = mask * _INVERSE_255
    region[:] = cv2.blendLinear(texture, region, weight, 1 - weight)
    if owners is not None:
        cv2.fillPoly(owners[y0:y1, x0:x1], [polygon], owner, cv2.LINE_8, _SHIFT)


def paint_line(canvas: Image, points: Array, colour: Array, width: float, closed: bool = False) -> None:
    """Draw a line of `width` pixels, at least one."""
    path = [np.rint(points * (1 << _SHIFT)).astype(np.int32)]
    cv2.polylines(canvas, path, closed, colour.tolist(), max(1, round(width)), cv2.LINE_AA, _SHIFT)


class Wardrobe:
    """The patches of one instance: textures in the form a part needs, shaded, made when first asked for."""

    def __init__(
        self,
        bank: TextureBank,
        textures: list[Texture],
        rng: np.random.Generator,
        tint: Array,
        contrast: float,
    ) -> None:
        self._bank, self._rng = bank, rng
        self._worn = [texture.worn(rng, tint, len(bank.fields)) for texture in textures]
        self._tenths = int(np.clip(contrast * 10, 0, 9))
        self._made: dict[tuple[int, str], Image] = {}

    def colour(self, texture: int) -> Array:
        """One RGB colour of a texture, for lines."""
        return np.asarray(self._worn[texture][1][100], np.float64)

    def patch(self, texture: int, kind: str) -> Image:
        """The patch of a texture for a part of this kind; a "cushion" is a plate that bulges."""
        key = (texture, kind)
        if key not in self._made:
            height, width = _PATCHES.get(kind, PLATE_PATCH)
            patch = self._bank.patch(*self._worn[texture], self._rng, height, width)
            if kind in ("limb", "blob", "cushion"):
                patch = np.asarray(
                    cv2.multiply(patch, _shading(kind, self._tenths), scale=1 / _NEUTRAL), np.uint8
                )
            self._made[key] = patch
        return self._made[key]


@lru_cache(maxsize=64)
def _shading(kind: str, tenths: int) -> Image:
    """Brightness of a round part in a light of `tenths` / 10 contrast; _NEUTRAL leaves a texture as it is."""
    height, width = _PATCHES.get(kind, PLATE_PATCH)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = (y + 0.5) / height * 2 - 1, (x + 0.5) / width * 2 - 1
    if kind == "limb":
        x = 0 * x
    depth = np.sqrt(np.clip(1 - np.minimum(x * x + y * y, 1), 0, 1))  # of a round surface towards the viewer
    light = np.array({"limb": (0, -0.6, 0.8), "blob": (-0.35, -0.55, 0.76)}.get(kind, (0, 0, 1.0)))
    lambert = np.clip(x * light[0] + y * light[1] + depth * light[2], 0, 1)
    shade = _NEUTRAL * (1 + tenths / 10 * 1.4 * (lambert - 0.72))
    return np.repeat(np.clip(shade, 20, 250).astype(np.uint8)[..., None], 3, axis=2)
