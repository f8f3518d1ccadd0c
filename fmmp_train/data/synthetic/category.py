# SPDX-License-Identifier: Apache-2.0
"""A synthetic category: what all its instances share, and how one of them is drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmmp_train.data.synthetic.bank import TextureBank, default_bank
from fmmp_train.data.synthetic.builders import build_figure
from fmmp_train.data.synthetic.figure import Skeleton
from fmmp_train.data.synthetic.outlines import Outliner, Shape
from fmmp_train.data.synthetic.paint import Wardrobe, paint_line, paint_polygon
from fmmp_train.data.synthetic.scene import draw_backdrop, draw_clutter, light_up, random_shape
from fmmp_train.data.synthetic.textures import Array, Image

CROP_PADDING = 1.25  # side of a crop over the longer side of the object's box
_OCCLUDER = 255  # owner of what stands before the object
_NOBODY = 254


class Rendering(NamedTuple):
    """One drawn instance."""

    image: Image  # (size, size, 3) RGB
    keypoints_px: NDArray[np.float32]  # (K, 2)
    visible: NDArray[np.bool_]  # (K,)
    box: NDArray[
        np.float32
    ]  # (4,) x, y, width, height of the object in pixels, before it is cut by the picture


class SyntheticCategory:
    """An invented category of objects, a pure function of its seed (and of the bank).

    Args:
        seed: names the category.
        bank: textures and backgrounds; the procedural default when None.
    """

    def __init__(self, seed: int, bank: TextureBank | None = None) -> None:
        rng = np.random.default_rng((seed, 0xCA7E))
        self.seed = seed
        self.bank = bank if bank is not None else default_bank()
        self.kind, figure, self._textures = build_figure(rng, self.bank)
        self._skeleton = Skeleton(figure)
        self._parts = figure.parts
        self._outliner = Outliner(figure.parts, np.asarray(figure.points, float))
        self._anchors = np.array([part.anchor for part in figure.parts], np.int64)
        self._own = np.array([part.vertices[0] for part in figure.parts], np.int64)
        self._lifts = np.array([part.lift for part in figure.parts])
        self._keypoints = np.asarray(figure.keypoints, np.int64)
        self.links = np.asarray(figure.links, np.int64).reshape(-1, 2)  # (E, 2)
        self.num_keypoints = len(self._keypoints)
        self._shape_spread = float(rng.uniform(0.04, 0.16))
        self._pose_spread = float(rng.uniform(0.5, 1.1))
        self._sway = float(rng.choice([0.0, rng.uniform(0.005, 0.03)]))
        self._labels_hidden = bool(rng.random() < 0.7)  # annotators of most data sets guess hidden points
        self._outlined = bool(rng.random() < 0.08)
        self._boxed = figure.boxed

    def render(
        self,
        rng: np.random.Generator,
        size: int = 256,
        *,
        scale: float = 1.0,
        rotation_deg: float = 0.0,
        clean: bool = False,
    ) -> Rendering:
        """Draw one instance as a training crop shows it: centred, its longer side size / 1.25 pixels.

        Args:
            rng: the only source of randomness.
            size: pixels a side.
            scale: of the object against that size.
            rotation_deg: turns the picture's content, counter-clockwise.
            clean: leave out clutter, occluders and camera effects.

        Returns:
            The image, keypoints in pixels (pixel centres at whole numbers), visible flags and the object's box.
        """
        posed = self._skeleton.pose(rng, self._shape_spread, self._pose_spread, self._sway)
        light = np.array([rng.normal(0, 0.6), -1.0])
        light /= np.linalg.norm(light)
        contrast = float(rng.uniform(0.1, 0.8))
        turn = np.deg2rad(rotation_deg)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        posed = posed._replace(xy=posed.xy @ rotation.T)
        shapes = self._outliner.shapes(posed, light, contrast)
        corners = posed.xy[self._keypoints] if self._boxed else np.concatenate([s.polygon for s in shapes])
        low, high = corners.min(0), corners.max(0)
        if self._boxed:
            margin = (high - low).max() * 0.08
            low, high = low - margin, high + margin
        zoom = scale * size / CROP_PADDING / max(float((high - low).max()), 1e-6)
        shift = size / 2 - zoom * (low + high) / 2 + rng.normal(0, 0.015 * size, 2)

        canvas = draw_backdrop(self.bank, rng, size)
        owners = None if self._labels_hidden else np.full((size, size), _NOBODY, np.uint8)
        low, high = low * zoom + shift, high * zoom + shift
        if not clean:
            self._surround(canvas, rng, low, high)
        depths = posed.depth[self._anchors].mean(1) + self._lifts + 0.01 * posed.depth[self._own]
        self._paint(
            canvas, owners, shapes, np.argsort(depths, kind="stable"), rng, zoom, shift, posed.scale, contrast
        )
        keypoints = posed.xy[self._keypoints] * zoom + shift
        if not clean:
            if rng.random() < 0.25:
                self._occlude(canvas, owners, rng, low, high)
            canvas = light_up(canvas, self.bank, rng)
        visible = self._visible(keypoints, posed.depth[self._keypoints], depths, owners, size)
        box = np.concatenate([low, high - low]).astype(np.float32)
        return Rendering(canvas, keypoints.astype(np.float32), visible, box)

    def _paint(
        self,
        canvas: Image,
        owners: Image | None,
        shapes: list[Shape],
        order: NDArray[np.int64],
        rng: np.random.Generator,
        zoom: float,
        shift: Array,
        scales: Array,
        contrast: float,
    ) -> None:
        tint = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.04, 3))
        wardrobe = Wardrobe(self.bank, self._textures, rng, tint, contrast)
        for i in order:
            part, shape = self._parts[i], shapes[i]
            if not shape.visible:
                continue
            polygon = shape.polygon * zoom + shift
            if part.kind == "stroke":
                width = part.size[0] * zoom * scales[part.vertices[0]]
                paint_line(canvas, polygon, wardrobe.colour(part.texture), width)
                continue
            texture_map = shape.texture_map * zoom
            texture_map[:, 2] += shift
            form = "cushion" if part.smooth else part.kind
            placed = Shape(polygon, texture_map, True, shape.brightness)
            paint_polygon(
                canvas, owners, min(int(i), _NOBODY - 1), placed, wardrobe.patch(part.texture, form)
            )
            if self._outlined:
                paint_line(canvas, polygon, wardrobe.colour(part.texture) * 0.4, 1, closed=True)

    def _surround(self, canvas: Image, rng: np.random.Generator, low: Array, high: Array) -> None:
        """A few things behind the object, near it."""
        size = canvas.shape[0]
        shapes = []
        for _ in range(int(rng.integers(0, 7))):
            shapes.append(
                random_shape(
                    rng, rng.uniform(low - 0.1 * size, high + 0.1 * size), size * rng.uniform(0.04, 0.25)
                )
            )
        draw_clutter(canvas, None, 0, self.bank, rng, shapes)

    def _occlude(
        self, canvas: Image, owners: Image | None, rng: np.random.Generator, low: Array, high: Array
    ) -> None:
        """One or two things before the object."""
        size = canvas.shape[0]
        shapes = []
        for _ in range(int(rng.integers(1, 3))):
            shapes.append(random_shape(rng, rng.uniform(low, high), size * rng.uniform(0.04, 0.14)))
        draw_clutter(canvas, owners, _OCCLUDER, self.bank, rng, shapes)

    def _visible(
        self, keypoints: Array, depth: Array, part_depths: Array, owners: Image | None, size: int
    ) -> NDArray[np.bool_]:
        inside = ((keypoints >= 0) & (keypoints <= size - 1)).all(1)
        if owners is None:
            return inside
        x, y = np.rint(np.clip(keypoints, 0, size - 1)).astype(np.int64).T
        owner = owners[y, x].astype(np.int64)
        ahead = part_depths[np.minimum(owner, len(part_depths) - 1)] - depth > 0.15
        hidden = (owner == _OCCLUDER) | ((owner < _NOBODY) & ahead)
        return np.asarray(inside & ~hidden)
