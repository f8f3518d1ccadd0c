# SPDX-License-Identifier: Apache-2.0
"""Limbs and bodies in an arbitrary arrangement, with or without mirror symmetry."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import Array, View, vec


class _End(NamedTuple):
    """Where a tree can go on growing."""

    bone: int
    at: Array
    keypoint: int
    thick: float


def build(draft: Draft) -> None:
    """Grow limbs from a body until there are keypoints enough, then put spots on the body."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=u(-0.4, 0.4),
        yaw_spread=u(0.1, 0.6),
        pitch=u(-0.3, 0.3),
        pitch_spread=0.2,
        roll_spread=u(0.05, 0.4),
    )
    palette = [draft.texture() for _ in range(int(rng.integers(3, 7)))]
    marks = [draft.plain(rng.uniform(10, 245, 3)) for _ in range(2)]
    symmetric, swing = draft.chance(0.6), u(0.05, 0.35)
    root = f.bone(-1, (0, 0, 0))
    body = f.blob(root, (0, 0, 0), (u(0.12, 0.35), u(0.15, 0.4), u(0.1, 0.25)), palette[0])
    ends = [_End(root, vec(0, 0, 0), f.keypoint(body), u(0.05, 0.12))]
    target = int(rng.integers(5, 40))
    while len(f.keypoints) < target:
        end = ends.pop(int(rng.integers(len(ends))))
        for _ in range(int(rng.integers(1, 4))):
            ends += _branch(draft, end, swing, palette[rng.integers(len(palette))], marks[0], symmetric)
    for i in range(int(rng.integers(0, 5))):
        at, size = (*rng.uniform(-0.1, 0.1, 2).tolist(), 0.2), u(0.015, 0.05)
        spot = f.spot(root, at, (size, size * u(0.5, 1.5)), marks[i % 2], anchor=body, lift=0.15)
        f.link(0, f.keypoint(spot))


def _branch(draft: Draft, start: _End, swing: float, texture: int, mark: int, symmetric: bool) -> list[_End]:
    """One limb, or two where the figure is symmetric and the limb leaves its middle."""
    f, u, rng = draft.figure, draft.u, draft.rng
    way = rng.normal(0, 1, 3) * (1, 1, 0.4)
    way *= u(0.15, 0.55) / np.linalg.norm(way)
    radius, bulge = start.thick * u(0.6, 1.1), start.thick * u(-0.2, 0.6)
    twice = symmetric and abs(way[0]) > 0.1 and abs(start.at[0]) < 1e-6
    ornament, group = int(rng.integers(4)), f"limb{len(f.keypoints)}"
    ends = []
    for side in (1, -1) if twice else (1,):
        end = start.at + way * (side, 1, 1)
        bone = f.bone(start.bone, start.at, (swing, swing, swing), group)
        p = f.row(bone, (start.at, end))
        f.limb(p[0], p[1], start.thick, radius, texture, bulge=bulge)
        if ornament == 0:
            f.blob(bone, end, (radius * 1.8, radius * 1.8, radius * 1.5), texture, lift=0.02)
        elif ornament == 1:
            f.spot(bone, end + vec(0, 0, radius), (radius * 0.6, radius * 0.6), mark, lift=0.1)
        key = f.keypoint(p[1])
        f.link(start.keypoint, key)
        ends.append(_End(bone, end, key, radius))
    return ends
