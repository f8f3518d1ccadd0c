# SPDX-License-Identifier: Apache-2.0
"""Leaves, petals and insects' wings: an outline and a net of veins with keypoints where they meet."""

from __future__ import annotations

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import Array, View

_RIM_POINTS = 24


def build(draft: Draft) -> None:
    """Draw the blade, the stem along x, veins from it to the rim, and spots."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(yaw_spread=u(0.05, 0.4), pitch_spread=u(0.05, 0.4), roll_spread=u(0.05, 1.2))
    blade, vein = draft.texture(), draft.texture()
    root = f.bone(-1, (0, 0, 0))
    skew, bend = u(-0.12, 0.12), u(-0.3, 0.3)
    outline = _outline(draft, skew, bend)
    rim = f.row(root, [(x, y, 0.05 * np.sin(4 * x)) for x, y in outline])
    host = f.point(root, (0, 0, 0))
    f.plate(rim, blade, anchor=host, smooth=True)
    if draft.chance(0.7):
        f.stroke([*rim, rim[0]], u(0.006, 0.02), vein, anchor=host, lift=0.02)
    xs = np.linspace(float(outline[:, 0].min()), 0.42, int(rng.integers(3, 7))).tolist()
    stem = f.row(root, [(x, skew * 0.5 + bend * x * x, 0.05 * np.sin(4 * x)) for x in xs])
    f.stroke(stem, u(0.008, 0.022), vein, anchor=host, lift=0.03)
    keys = f.keys(stem)
    f.link(*keys)
    _veins(draft, root, host, rim, stem, keys, vein)
    for _ in range(int(rng.integers(0, 4))):
        size, at = u(0.015, 0.06), (u(-0.3, 0.3), u(-0.1, 0.1), 0.03)
        spot = f.spot(root, at, (size, size), draft.texture(), anchor=host, lift=0.02)
        f.link(keys[len(keys) // 2], f.keypoint(spot))


def _outline(draft: Draft, skew: float, bend: float) -> Array:
    """(_RIM_POINTS, 2), counter-clockwise from -x; lobed, askew and bent."""
    u = draft.u
    angles = np.linspace(-np.pi, np.pi, _RIM_POINTS, endpoint=False)
    wide, lobes, depth = u(0.2, 0.55), int(draft.rng.integers(1, 8)), u(0, 0.25)
    radius = 1 + depth * np.cos(lobes * angles)
    x = 0.5 * np.cos(angles) * radius
    y = wide * np.sin(angles) * radius * (1 - u(-0.3, 0.5) * np.cos(angles)) + skew * np.cos(2 * angles)
    return np.stack([x, y + bend * x**2], 1)


def _veins(
    draft: Draft, root: int, host: int, rim: list[int], stem: list[int], stem_keys: list[int], vein: int
) -> None:
    """From each point of the stem to the rim on both sides, some joined to the next point of the stem."""
    f, u = draft.figure, draft.u
    width = u(0.004, 0.014)
    for i in range(len(stem) - 1):
        for side in (1, -1):
            if draft.chance(0.15):
                continue
            step = (
                round((_RIM_POINTS / 2 - 1) * (i + 1) / len(stem)) + 1
            )  # along the rim, from the stem's foot
            end = rim[-side * step % _RIM_POINTS]
            a, b = (np.asarray(f.points[p], np.float64) for p in (stem[i], end))
            joint = f.point(root, a + (b - a) * u(0.4, 0.7) + (u(-0.03, 0.03), u(-0.02, 0.02), 0))
            f.stroke([stem[i], joint, end], width, vein, anchor=host, lift=0.03)
            keys = [f.keypoint(joint)] if draft.chance(0.6) else []
            f.link(stem_keys[i], *keys, f.keypoint(end))
            if keys and draft.chance(0.6):
                f.stroke([joint, stem[i + 1]], width, vein, anchor=host, lift=0.03)
                f.link(keys[0], stem_keys[i + 1])
