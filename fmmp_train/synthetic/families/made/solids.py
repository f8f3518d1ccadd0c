# SPDX-License-Identifier: Apache-2.0
"""Boxes and other convex things with flat faces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import Point


def extrude(
    draft: Draft, bone: int, profile: Sequence[tuple[float, float]], z0: float, z1: float, texture: int
) -> list[tuple[int, int]]:
    """A convex profile (x, y) drawn out from z0 to z1; returns the points (at z0, at z1) of each corner."""
    f = draft.figure
    corners = [(f.point(bone, (x, y, z0)), f.point(bone, (x, y, z1))) for x, y in profile]
    x, y = np.mean(np.asarray(profile, np.float64), 0).tolist()
    inside = (x, y, (z0 + z1) / 2)
    anchor = f.point(bone, inside)
    for side in (0, 1):
        f.plate([corner[side] for corner in corners], texture, anchor=anchor, outside_of=inside)
    for (a0, a1), (b0, b1) in zip(corners, corners[1:] + corners[:1], strict=True):
        f.plate([a0, a1, b1, b0], texture, anchor=anchor, outside_of=inside)
    return corners


def box(draft: Draft, bone: int, centre: Point, size: Point, texture: int) -> list[tuple[int, int]]:
    """A box; returns its corners (back, front): left bottom, right bottom, right top, left top."""
    (x, y, z), (w, h, d) = centre, (s / 2 for s in size)
    profile = [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)]
    return extrude(draft, bone, profile, z - d, z + d, texture)
