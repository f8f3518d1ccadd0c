# SPDX-License-Identifier: Apache-2.0
"""Outlines of parts in the picture and where their textures go: computed for all parts of a kind at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmmp_train.synthetic.figure import Part
from fmmp_train.synthetic.skeleton import Posed

Array = NDArray[np.float64]

LIMB_PATCH = (32, 80)  # height, width in texels: across, along
BLOB_PATCH = (80, 80)
PLATE_PATCH = (96, 96)

_CAP = np.linspace(np.pi / 2, -np.pi / 2, 6)
_SIDE = np.linspace(0, 1, 6)
_CIRCLE = np.linspace(0, 2 * np.pi, 22, endpoint=False)


class Shape(NamedTuple):
    """A part in picture units: polygon (n, 2) and the affine map (2, 3) from its patch's texels."""

    polygon: Array
    texture_map: Array
    visible: bool
    brightness: float


class Outliner:
    """Turns posed points into shapes; holds the index tables of one figure's parts."""

    def __init__(self, parts: Sequence[Part], rest: Array) -> None:
        self.parts = parts
        self.by_kind = {
            kind: [i for i, p in enumerate(parts) if p.kind == kind] for kind in ("limb", "blob", "disc")
        }
        self.ids = {
            kind: np.array([parts[i].vertices for i in of], np.int64) for kind, of in self.by_kind.items()
        }
        self.radii = np.array([parts[i].size for i in self.by_kind["limb"]], float).reshape(-1, 4)
        self.plates = {
            i: _plate_solver(rest[list(p.vertices)]) for i, p in enumerate(parts) if p.kind == "plate"
        }

    def shapes(self, posed: Posed, light: Array, contrast: float) -> list[Shape]:
        """One shape a part, in the order of the parts; `light` (2,) points to the light in the picture."""
        shapes: list[Shape | None] = [None] * len(self.parts)
        for kind, build in (("limb", self._limbs), ("blob", self._blobs), ("disc", self._discs)):
            if self.by_kind[kind]:
                for i, shape in zip(self.by_kind[kind], build(posed, light), strict=True):
                    shapes[i] = shape
        for i, part in enumerate(self.parts):
            if part.kind == "plate":
                shapes[i] = self._plate(i, part, posed, light, contrast)
            elif part.kind == "stroke":
                shapes[i] = Shape(posed.xy[list(part.vertices)], np.zeros((2, 3)), True, 1.0)
        return [shape for shape in shapes if shape is not None]

    def _limbs(self, posed: Posed, light: Array) -> list[Shape]:
        start, end = posed.xy[self.ids["limb"]].transpose(1, 0, 2)
        r0, r1, bulge, cap = self.radii.T
        zoom = posed.scale[self.ids["limb"]].mean(1)
        along = end - start
        length = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
        along = along / length
        across = along[:, ::-1] * (-1, 1)
        across = across * np.where((across * light).sum(1, keepdims=True) >= 0, 1, -1)
        r0, r1, bulge = r0 * zoom, r1 * zoom, bulge * zoom
        profile = r0[:, None] + (r1 - r0)[:, None] * _SIDE + bulge[:, None] * np.sin(np.pi * _SIDE)
        # Around: one side forward, the cap of the end, the other side back, the cap of the start.
        x = np.concatenate([_SIDE * length, length + np.cos(_CAP) * (cap * r1)[:, None]], 1)
        x = np.concatenate([x, _SIDE[::-1] * length, -np.cos(_CAP) * (cap * r0)[:, None]], 1)
        y = np.concatenate(
            [profile, np.sin(_CAP) * r1[:, None], -profile[:, ::-1], -np.sin(_CAP) * r0[:, None]], 1
        )
        polygons = start[:, None] + x[..., None] * along[:, None] + y[..., None] * across[:, None]
        widest = np.maximum(np.maximum(r0, r1) + np.maximum(bulge, 0), 1e-6)
        height, width = LIMB_PATCH
        u = along * (length / width)
        v = -across * (2 * widest / height)[:, None]  # row 0 of the patch is the lit side
        corner = start - v * (height / 2)
        maps = np.stack([u, v, corner], 2)
        return [Shape(p, m, True, 1.0) for p, m in zip(polygons, maps, strict=True)]

    def _blobs(self, posed: Posed, light: Array) -> list[Shape]:
        points = posed.xy[self.ids["blob"]]
        axes = (points[:, 1:] - points[:, :1]).transpose(0, 2, 1)  # (N, 2, 3)
        u, s, _ = np.linalg.svd(axes, full_matrices=False)
        principal = u * s[:, None, :]  # columns: the two semi-axes of the outline
        sign = np.where(np.einsum("nij,i->nj", principal, light) >= 0, -1, 1)
        return _ellipses(points[:, 0], principal * sign[:, None, :])

    def _discs(self, posed: Posed, light: Array) -> list[Shape]:
        ids = self.ids["disc"]
        points = posed.xy[ids]
        axes = (points[:, 1:3] - points[:, :1]).transpose(0, 2, 1)
        facing = posed.depth[ids[:, 3]] >= posed.depth[ids[:, 0]]
        return [
            s._replace(visible=bool(f)) for s, f in zip(_ellipses(points[:, 0], axes), facing, strict=True)
        ]

    def _plate(self, index: int, part: Part, posed: Posed, light: Array, contrast: float) -> Shape:
        ids = list(part.vertices)
        polygon = posed.xy[ids]
        following = np.roll(polygon, -1, 0)
        area = float((polygon[:, 0] * following[:, 1] - polygon[:, 1] * following[:, 0]).sum())
        solve = self.plates[index]
        texture_map = (solve @ polygon).T
        # How the plate is turned to the light: its slope in depth along the light's direction.
        slope = solve @ np.column_stack([polygon @ light, posed.depth[ids]])
        steep = float(slope[:2, 0] @ slope[:2, 1]) / (float((slope[:2] ** 2).sum()) + 1e-12)
        brightness = 1 + contrast * (-1.2 * steep)
        if part.smooth:
            polygon = _spline(polygon)
        return Shape(polygon, texture_map, not part.cull or area < 0, brightness)


def _ellipses(centres: Array, axes: Array) -> list[Shape]:
    """Ellipses with semi-axes in the columns of `axes` (N, 2, 2)."""
    ring = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)])
    polygons = centres[:, None] + (axes @ ring).transpose(0, 2, 1)
    half = BLOB_PATCH[0] / 2
    scaled = axes / half
    maps = np.concatenate([scaled, (centres - scaled.sum(2) * half)[:, :, None]], 2)
    return [Shape(p, m, True, 1.0) for p, m in zip(polygons, maps, strict=True)]


def _plate_solver(corners: Array) -> Array:
    """(3, n): times the corners of a posed plate, it is the best affine map from texels to them."""
    centred = corners - corners.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    half = PLATE_PATCH[0] / 2
    zoom = half / max(float(np.abs(flat).max()), 1e-6)
    # Least squares without solving: the columns of `flat` are orthogonal and sum to zero.
    slopes = (flat / np.maximum((flat**2).sum(0), 1e-12) / zoom).T
    return np.vstack([slopes, 1 / len(corners) - half * slopes.sum(0)])


def _spline(polygon: Array, steps: int = 4) -> Array:
    """A closed Catmull-Rom curve through the corners."""
    before, after, beyond = np.roll(polygon, 1, 0), np.roll(polygon, -1, 0), np.roll(polygon, -2, 0)
    t = (np.arange(steps) / steps)[None, :, None]
    p0, p1, p2, p3 = (p[:, None] for p in (before, polygon, after, beyond))
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return curve.reshape(-1, 2)
