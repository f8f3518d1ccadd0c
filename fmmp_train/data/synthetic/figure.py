# SPDX-License-Identifier: Apache-2.0
"""Figures: bones, points on them, parts between the points, keypoints and links; drawn once a category.

Rest coordinates: x right, y up, z towards the viewer; a figure is about one unit long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmmp_train.data.links import bridge_links

Array = NDArray[np.float64]
Point = Sequence[float]
Kind = Literal["limb", "blob", "disc", "plate", "stroke"]


class Part(NamedTuple):
    """Something to paint. `vertices` index the figure's points.

    limb: two ends, `size` their radii, the bulge between them, how round the ends are. blob: centre and three semi-axis tips.
    disc: centre, two semi-axis tips and the tip of the normal (painted when it faces the viewer).
    plate: corners of a polygon. stroke: a line, `size` its width.
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
    """A category's geometry; build it with `bone`, `point`, the parts, `keypoint` and `link`, then `freeze`."""

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

    def _add(
        self,
        kind: Kind,
        vertices: Iterable[int],
        size: Sequence[float],
        texture: int,
        anchor: tuple[int, int] | None,
        lift: float,
        cull: bool = False,
        smooth: bool = False,
    ) -> None:
        ids = tuple(vertices)
        ends = anchor if anchor is not None else (ids[0], ids[1] if kind == "limb" else ids[0])
        self.parts.append(Part(kind, ids, tuple(size), texture, ends, lift, cull, smooth))

    def limb(
        self, start: int, end: int, r0: float, r1: float, texture: int, bulge: float = 0, lift: float = 0
    ) -> None:
        """A tapered round part from one point to another."""
        self._add("limb", (start, end), (r0, r1, bulge, 1.0), texture, None, lift)

    def tube(
        self, start: int, end: int, r0: float, r1: float, texture: int, *, anchor: int, lift: float = 0
    ) -> None:
        """A limb with nearly flat ends."""
        self._add("limb", (start, end), (r0, r1, 0.0, 0.15), texture, (anchor, anchor), lift)

    def blob(self, bone: int, at: Point, axes: Point, texture: int, lift: float = 0) -> int:
        """An ellipsoid with semi-axes `axes` along x, y, z; returns its centre's point."""
        x, y, z = at
        centre = self.point(bone, at)
        tips = [self.point(bone, p) for p in ((x + axes[0], y, z), (x, y + axes[1], z), (x, y, z + axes[2]))]
        self._add("blob", (centre, *tips), (), texture, None, lift)
        return centre

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
        """An elliptic spot with semi-axes `a`, `b` (vectors); it is seen from the side a x b. Returns its centre."""
        p, va, vb = np.asarray(at, float), np.asarray(a, float), np.asarray(b, float)
        normal = np.cross(va, vb)
        normal *= 0.1 / max(float(np.linalg.norm(normal)), 1e-9)
        ids = [self.point(bone, tuple(q)) for q in (p, p + va, p + vb, p + normal)]
        host = ids[0] if anchor is None else anchor
        self._add("disc", ids, (), texture, (host, host), lift)
        return ids[0]

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
        if outside_of is not None:
            corners = np.array([self.points[i] for i in ids], float)
            centre = corners.mean(0)
            normal = np.cross(corners - centre, np.roll(corners, -1, 0) - centre).sum(0)
            if normal @ (centre - np.asarray(outside_of, float)) < 0:
                ids.reverse()
        host = ids[0] if anchor is None else anchor
        other = ids[len(ids) // 2] if anchor is None else anchor
        self._add("plate", ids, (), texture, (host, other), lift, outside_of is not None, smooth)

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
        self._add("stroke", ids, (width,), texture, (host, host), lift)

    def keypoint(self, vertex: int) -> int:
        """Declare a point to be a keypoint; returns its index."""
        self.keypoints.append(vertex)
        return len(self.keypoints) - 1

    def link(self, *chain: int) -> None:
        """Link keypoints one after the other."""
        self.links.extend(zip(chain[:-1], chain[1:], strict=True))

    def keep(self, kept: Sequence[int]) -> None:
        """Keep these keypoints, in this order; a removed one hands its links on to its first neighbour."""
        place = np.full(len(self.keypoints), -1)
        place[list(kept)] = np.arange(len(kept))
        links = bridge_links(np.array(self.links, np.int64).reshape(-1, 2), place)
        self.links = sorted((min(a, b), max(a, b)) for a, b in links.tolist())
        self.keypoints = [self.keypoints[i] for i in kept]
