# SPDX-License-Identifier: Apache-2.0
"""Figures: bones, points on them, parts between the points, keypoints and links; one a category.

Rest coordinates: x right, y up, z towards the viewer; a figure is about one unit long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmmp_train.data.links import bridge_links

Array = NDArray[np.float64]
Point = Sequence[float] | Array  # x, y, z
Kind = Literal["limb", "blob", "disc", "plate", "stroke"]


def vec(x: float, y: float, z: float) -> Array:
    """A vector that can be added to."""
    return np.array([x, y, z], np.float64)


class Part(NamedTuple):
    """Something to paint. `vertices` index the figure's points.

    limb: two ends; `size` is their radii, the bulge between them, and how round the ends are.
    blob: centre and three semi-axis tips.
    disc: centre, two semi-axis tips and the tip of the normal; painted when it faces the viewer.
    plate: corners of a polygon. stroke: a line; `size` is its width.
    """

    kind: Kind
    vertices: tuple[int, ...]
    size: tuple[float, ...]
    texture: int
    anchor: tuple[int, int]  # points whose mean depth orders the painting
    lift: float  # towards the viewer, for what lies on another part
    cull: bool  # plate: painted only when its front faces the viewer
    smooth: bool  # plate: corners joined by a spline


@dataclass(frozen=True)
class View:
    """From where a category is seen: angles in radians, normal around their mean."""

    yaw: float = 0.0
    yaw_spread: float = 0.3
    pitch: float = 0.0
    pitch_spread: float = 0.15
    roll_spread: float = 0.1
    turn_chance: float = 0.0  # of a half turn about the vertical


@dataclass
class Figure:
    """A category's geometry, built up by a family."""

    view: View = field(default_factory=View)
    boxed: bool = False  # the box goes around the keypoints, not around all parts
    parents: list[int] = field(default_factory=list)
    origins: list[Point] = field(default_factory=list)  # of bones, rest coordinates
    swings: list[Point] = field(default_factory=list)  # spread of the three joint angles, rad
    groups: list[int] = field(default_factory=list)  # bones of one group change proportion together
    bone_of: list[int] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    keypoints: list[int] = field(default_factory=list)  # points
    links: list[tuple[int, int]] = field(default_factory=list)  # of keypoints
    _names: dict[str, int] = field(default_factory=dict)

    def bone(self, parent: int, at: Point, swing: Point = (0, 0, 0), group: str | None = None) -> int:
        """Add a bone that turns about `at`; parent -1 for the root. Bones of one `group` scale together."""
        name = group if group is not None else f"_{len(self.parents)}"
        self.parents.append(parent)
        self.origins.append(at)
        self.swings.append(swing)
        self.groups.append(self._names.setdefault(name, len(self._names)))
        return len(self.parents) - 1

    def point(self, bone: int, at: Point) -> int:
        """Add a point that moves with `bone`."""
        self.bone_of.append(bone)
        self.points.append(at)
        return len(self.points) - 1

    def row(self, bone: int, places: Iterable[Point]) -> list[int]:
        """Add several points."""
        return [self.point(bone, at) for at in places]

    def limb(
        self, start: int, end: int, r0: float, r1: float, texture: int, *, bulge: float = 0, lift: float = 0
    ) -> None:
        """A tapered round part from one point to another."""
        self.parts.append(
            Part("limb", (start, end), (r0, r1, bulge, 1.0), texture, (start, end), lift, False, False)
        )

    def tube(
        self, start: int, end: int, r0: float, r1: float, texture: int, *, anchor: int, lift: float = 0
    ) -> None:
        """A limb with nearly flat ends."""
        size = (r0, r1, 0.0, 0.15)
        self.parts.append(Part("limb", (start, end), size, texture, (anchor, anchor), lift, False, False))

    def blob(self, bone: int, at: Point, axes: Point, texture: int, *, lift: float = 0) -> int:
        """An ellipsoid with semi-axes `axes` along x, y, z; returns its centre's point."""
        places = np.asarray(at, np.float64) + np.diag(np.asarray(axes, np.float64))
        ids = (self.point(bone, at), *self.row(bone, places))
        self.parts.append(Part("blob", ids, (), texture, (ids[0], ids[0]), lift, False, False))
        return ids[0]

    def disc(
        self,
        bone: int,
        at: Point,
        a: Point,
        b: Point,
        texture: int,
        *,
        anchor: int | None = None,
        lift: float = 0.06,
    ) -> int:
        """An elliptic spot with semi-axes `a`, `b`, seen from where a x b points; returns its centre."""
        centre, va, vb = (np.asarray(v, np.float64) for v in (at, a, b))
        normal = np.cross(va, vb)
        normal *= 0.1 / max(float(np.linalg.norm(normal)), 1e-9)
        ids = tuple(self.row(bone, (centre, centre + va, centre + vb, centre + normal)))
        host = ids[0] if anchor is None else anchor
        self.parts.append(Part("disc", ids, (), texture, (host, host), lift, False, False))
        return ids[0]

    def spot(
        self,
        bone: int,
        at: Point,
        radii: tuple[float, float],
        texture: int,
        *,
        side: int = 1,
        anchor: int | None = None,
        lift: float = 0.06,
    ) -> int:
        """A disc in the plane of x and y that faces +z (`side` 1) or -z (-1); returns its centre."""
        a, b = (radii[0], 0, 0), (0, side * radii[1], 0)
        return self.disc(bone, at, a, b, texture, anchor=anchor, lift=lift)

    def plate(
        self,
        vertices: Iterable[int],
        texture: int,
        *,
        anchor: int | None = None,
        lift: float = 0,
        outside_of: Point | None = None,
        smooth: bool = False,
    ) -> None:
        """A polygon. With `outside_of` (a point inside a solid) only its outer side is painted."""
        ids = list(vertices)
        if outside_of is not None and self._faces(ids, outside_of):
            ids.reverse()
        ends = (ids[0], ids[len(ids) // 2]) if anchor is None else (anchor, anchor)
        self.parts.append(Part("plate", tuple(ids), (), texture, ends, lift, outside_of is not None, smooth))

    def _faces(self, ids: list[int], target: Point) -> bool:
        """Whether a polygon's front is turned to `target`."""
        corners = np.array([self.points[i] for i in ids], np.float64)
        centre = corners.mean(0)
        normal = np.cross(corners - centre, np.roll(corners, -1, 0) - centre).sum(0)
        return bool(normal @ (centre - np.asarray(target, np.float64)) < 0)

    def stroke(
        self,
        vertices: Iterable[int],
        width: float,
        texture: int,
        *,
        anchor: int | None = None,
        lift: float = 0.05,
    ) -> None:
        """A line through points, `width` units thick."""
        ids = tuple(vertices)
        host = ids[0] if anchor is None else anchor
        self.parts.append(Part("stroke", ids, (width,), texture, (host, host), lift, False, False))

    def keypoint(self, vertex: int) -> int:
        """Declare a point to be a keypoint; returns its index."""
        self.keypoints.append(vertex)
        return len(self.keypoints) - 1

    def keys(self, vertices: Iterable[int]) -> list[int]:
        """Declare several."""
        return [self.keypoint(vertex) for vertex in vertices]

    def link(self, *chain: int) -> None:
        """Link keypoints one after the other."""
        self.links.extend(pairwise(chain))

    def keep(self, kept: Sequence[int]) -> None:
        """Keep these keypoints, in this order; a removed one hands its links on to its first neighbour."""
        place = np.full(len(self.keypoints), -1)
        place[list(kept)] = np.arange(len(kept))
        links = bridge_links(np.array(self.links, np.int64).reshape(-1, 2), place)
        self.links = sorted((min(a, b), max(a, b)) for a, b in links.tolist())
        self.keypoints = [self.keypoints[i] for i in kept]
