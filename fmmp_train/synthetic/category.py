# SPDX-License-Identifier: Apache-2.0
"""A synthetic category: what all its instances share, and how one of them is drawn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.pose import CROP_PADDING
from fmmp_train.synthetic.bank import TextureBank, default_bank
from fmmp_train.synthetic.builders import build_figure
from fmmp_train.synthetic.figure import Part
from fmmp_train.synthetic.outlines import Outliner, Shape
from fmmp_train.synthetic.paint import NOBODY, Wardrobe, paint_line, paint_polygon
from fmmp_train.synthetic.scene import OCCLUDER, draw_backdrop, occlude, surround, through_camera
from fmmp_train.synthetic.skeleton import Posed, Skeleton
from fmmp_train.synthetic.textures import Array, Image

_OCCLUDED_CHANCE, _NEIGHBOUR_CHANCE = 0.25, 0.1
_MARGIN = 0.08  # of a box around keypoints, in its longer side
_BEHIND = 0.15  # units: a keypoint this far behind what was painted over it is hidden


class Rendering(NamedTuple):
    """One drawn instance."""

    image: Image  # (size, size, 3) RGB
    keypoints_px: NDArray[np.float32]  # (K, 2); pixel centres at whole numbers
    visible: NDArray[np.bool_]  # (K,)
    box: NDArray[np.float32]  # (4,) x, y, width, height of the object, pixels, even where the picture cuts it


class _Stance(NamedTuple):
    """An instance before it is placed in a picture."""

    posed: Posed
    shapes: list[Shape]
    depths: Array  # of the parts
    low: Array  # (2,) corners of its box, picture units
    high: Array


class _Frame(NamedTuple):
    """Picture units -> pixels."""

    zoom: float
    shift: Array  # (2,)

    def place(self, points: Array) -> Array:
        return points * self.zoom + self.shift


class SyntheticCategory:
    """An invented category of objects, a pure function of its seed (and of the bank).

    `links` (E, 2), `num_keypoints` and `kind`, the name of its family, are public.

    Args:
        seed: names the category.
        bank: textures and backgrounds; the procedural default when None.
    """

    def __init__(self, seed: int, bank: TextureBank | None = None) -> None:
        rng = np.random.default_rng((seed, 0xCA7E))
        self.seed = seed
        self.bank = bank if bank is not None else default_bank()
        self.kind, figure, self._textures = build_figure(rng, self.bank)
        self.links = np.asarray(figure.links, np.int64).reshape(-1, 2)
        self.num_keypoints = len(figure.keypoints)
        self._skeleton = Skeleton(figure)
        self._parts: list[Part] = figure.parts
        self._outliner = Outliner(figure.parts, np.asarray(figure.points, float))
        self._anchors = np.array([part.anchor for part in figure.parts], np.int64)
        self._own = np.array([part.vertices[0] for part in figure.parts], np.int64)
        self._lifts = np.array([part.lift for part in figure.parts])
        self._keypoints = np.asarray(figure.keypoints, np.int64)
        discs = {part.vertices[0]: i for i, part in enumerate(figure.parts) if part.kind == "disc"}
        self._disc_of = [discs.get(vertex, -1) for vertex in figure.keypoints]  # parts
        self._boxed = figure.boxed
        self._shape_spread = float(rng.uniform(0.05, 0.2))
        self._pose_spread = float(rng.uniform(0.6, 1.2))
        self._sway = float(rng.choice([0.0, rng.uniform(0.005, 0.03)]))
        self._labels_hidden = bool(rng.random() < 0.7)  # annotators of most data sets guess hidden points
        self._outlined = bool(rng.random() < 0.08)

    def render(
        self, rng: np.random.Generator, size: int = 256, *, scale: float = 1.0, rotation_deg: float = 0.0
    ) -> Rendering:
        """Draw one instance as a training crop shows it: centred, its longer side size / 1.25 pixels.

        Args:
            rng: the only source of randomness.
            size: pixels a side.
            scale: of the object against that size.
            rotation_deg: turns the object, counter-clockwise.
        """
        light = np.array([rng.normal(0, 0.6), -1.0])
        light /= np.linalg.norm(light)
        contrast = float(rng.uniform(0.1, 0.8))
        stance = self._stand(rng, light, contrast, rotation_deg)
        extent = max(float((stance.high - stance.low).max()), 1e-6)
        zoom = scale * size / CROP_PADDING / extent
        middle = (stance.low + stance.high) / 2
        frame = _Frame(zoom, size / 2 - zoom * middle + rng.normal(0, 0.015 * size, 2))
        low, high = frame.place(stance.low), frame.place(stance.high)

        canvas = draw_backdrop(self.bank, rng, size)
        surround(canvas, self.bank, rng, low, high)
        if rng.random() < _NEIGHBOUR_CHANCE:  # another one of its kind, beside or behind it
            other = self._stand(rng, light, contrast, 0.0)
            aside = rng.choice([-1, 1]) * rng.uniform(0.6, 1.1) * (high - low)[0]
            moved = frame.shift + np.array([aside, rng.normal(0, 0.05 * size)])
            self._paint(canvas, None, other, _Frame(zoom * rng.uniform(0.7, 1.1), moved), rng, contrast)
        owners = None if self._labels_hidden else np.full((size, size), NOBODY, np.uint8)
        self._paint(canvas, owners, stance, frame, rng, contrast)
        if rng.random() < _OCCLUDED_CHANCE:
            occlude(canvas, owners, self.bank, rng, low, high)
        canvas = through_camera(canvas, self.bank, rng)
        keypoints = frame.place(stance.posed.xy[self._keypoints])
        visible = self._visible(keypoints, stance, owners, size)
        box = np.concatenate([low, high - low]).astype(np.float32)
        return Rendering(canvas, keypoints.astype(np.float32), visible, box)

    def _stand(self, rng: np.random.Generator, light: Array, contrast: float, rotation_deg: float) -> _Stance:
        """Pose an instance and outline its parts."""
        posed = self._skeleton.pose(rng, self._shape_spread, self._pose_spread, self._sway)
        angle = np.deg2rad(rotation_deg)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        posed = posed._replace(xy=posed.xy @ turn.T)
        shapes = self._outliner.shapes(posed, light, contrast)
        corners = posed.xy[self._keypoints] if self._boxed else np.concatenate([s.polygon for s in shapes])
        low, high = corners.min(0), corners.max(0)
        if self._boxed:
            margin = (high - low).max() * _MARGIN
            low, high = low - margin, high + margin
        # Ends decide; between parts that share an anchor, what lies nearer comes later.
        depths = posed.depth[self._anchors].mean(1) + self._lifts + 0.01 * posed.depth[self._own]
        return _Stance(posed, shapes, depths, low, high)

    def _paint(
        self,
        canvas: Image,
        owners: Image | None,
        stance: _Stance,
        frame: _Frame,
        rng: np.random.Generator,
        contrast: float,
    ) -> None:
        """Paint the parts from far to near."""
        tint = np.exp(rng.normal(0, 0.12) + rng.normal(0, 0.04, 3))
        wardrobe = Wardrobe(self.bank, self._textures, rng, tint, contrast)
        for i in np.argsort(stance.depths, kind="stable").tolist():
            part, shape = self._parts[i], stance.shapes[i]
            if not shape.visible:
                continue
            polygon = frame.place(shape.polygon)
            colour = wardrobe.colour(part.texture)
            if part.kind == "stroke":
                width = part.size[0] * frame.zoom * float(stance.posed.scale[part.vertices[0]])
                paint_line(canvas, polygon, colour, width)
                continue
            texture_map = shape.texture_map * frame.zoom
            texture_map[:, 2] += frame.shift
            patch = wardrobe.patch(part.texture, "cushion" if part.smooth else part.kind)
            placed = Shape(polygon, texture_map, True, shape.brightness)
            paint_polygon(canvas, owners, min(i, OCCLUDER - 1), placed, patch)
            if self._outlined:
                paint_line(canvas, polygon, colour * 0.4, 1, closed=True)

    def _visible(
        self, keypoints: Array, stance: _Stance, owners: Image | None, size: int
    ) -> NDArray[np.bool_]:
        """Inside the picture and, where `owners` is kept, neither painted over nor turned away."""
        inside = np.asarray(((keypoints >= 0) & (keypoints <= size - 1)).all(1))
        if owners is None:
            return inside
        x, y = np.rint(np.clip(keypoints, 0, size - 1)).astype(np.int64).T
        owner = owners[y, x].astype(np.int64)
        depths = stance.posed.depth[self._anchors].mean(1)  # without lifts: those only order the painting
        own_depth = stance.posed.depth[self._keypoints]
        behind = depths[np.minimum(owner, len(depths) - 1)] - own_depth > _BEHIND
        turned_away = np.array([i >= 0 and not stance.shapes[i].visible for i in self._disc_of], np.bool_)
        hidden = (owner == OCCLUDER) | ((owner < OCCLUDER) & behind) | turned_away
        shown: NDArray[np.bool_] = inside & ~hidden
        return shown
