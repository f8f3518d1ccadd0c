# SPDX-License-Identifier: Apache-2.0
"""Fish from their side, head towards +x."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import View

_HALF = 0.45  # length of the body


class _Fish(NamedTuple):
    root: int  # bones
    rear: int
    host: int  # point: everything is painted in its order
    xs: list[float]  # of the outline, from the head
    heights: list[float]
    upper: list[int]  # points
    lower: list[int]
    fin: int  # textures
    dark: int

    def carrier(self, x: float) -> int:
        """The bone that moves what lies at x."""
        return self.root if x > -_HALF * 0.4 else self.rear


def build(draft: Draft) -> None:
    """Draw the body, the tail, the head's details, then fins and bands."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-0.4, 0.4), yaw_spread=u(0.1, 0.4), pitch_spread=0.2, roll_spread=u(0.1, 0.4), turn_chance=0.2
    )
    fish = _body(draft)
    eye, gill = _head(draft, fish)
    top, bottom = f.keys((fish.upper[4], fish.lower[4]))
    roots = f.keys((fish.upper[-1], fish.lower[-1]))
    tips = _tail(draft, fish)
    f.link(eye, gill, top, roots[0], tips[0])
    f.link(gill, bottom, roots[1], tips[1], tips[2])
    _fins(draft, fish, top, bottom, gill)
    for _ in range(int(draft.rng.integers(0, 4))):
        x, half = u(-0.2, 0.25), max(fish.heights) * 0.7
        band = f.row(fish.carrier(x), [(x, y * half, 0.01) for y in (-1, 0, 1)])
        texture = fish.dark if draft.chance(0.5) else fish.fin
        f.stroke(band, u(0.01, 0.05), texture, anchor=fish.host, lift=0.02)


def _body(draft: Draft) -> _Fish:
    f, u = draft.figure, draft.u
    root = f.bone(-1, (0.1, 0, 0))
    rear = f.bone(root, (-_HALF * 0.4, 0, 0), (0, 0.4, 0.15))
    xs = np.linspace(_HALF, -_HALF, 9)
    heights = u(0.12, 0.32) * np.sin(np.linspace(0.08, 0.93, 9) * np.pi) ** u(0.7, 1.2) + 0.03
    fish = _Fish(
        root,
        rear,
        f.point(root, (0, 0, 0)),
        xs.tolist(),
        heights.tolist(),
        [],
        [],
        draft.texture(),
        draft.plain((16, 16, 18)),
    )
    belly = u(0.6, 1.1)
    for x, height in zip(fish.xs, fish.heights, strict=True):
        fish.upper.append(f.point(fish.carrier(x), (x, height, 0)))
        fish.lower.append(f.point(fish.carrier(x), (x, -height * belly, 0)))
    f.plate(fish.upper + fish.lower[::-1], draft.texture(), anchor=fish.host, smooth=True)
    return fish


def _head(draft: Draft, fish: _Fish) -> tuple[int, int]:
    """Returns the keypoints of the eye and the gill; the nose is linked to the eye."""
    f, u, pale = draft.figure, draft.u, draft.plain((236, 232, 220))
    x, y, size = _HALF * u(0.7, 0.82), fish.heights[1] * 0.35, u(0.02, 0.045)
    eyes = []
    for side in (1, -1):
        at = (x, y, side * 0.03)
        f.spot(fish.root, at, (size, size), pale, side=side, anchor=fish.host, lift=0.05)
        eyes.append(
            f.spot(fish.root, at, (size * 0.6,) * 2, fish.dark, side=side, anchor=fish.host, lift=0.06)
        )
    slit = f.row(
        fish.root,
        [(_HALF * 0.5 - 0.03 * (1 - t * t), t * fish.heights[2] * 0.8, 0.02) for t in (-1, -0.5, 0, 0.5, 1)],
    )
    f.stroke(slit, 0.008, fish.dark, anchor=fish.host, lift=0.03)
    nose, eye, gill = f.keys((f.point(fish.root, (_HALF * 1.02, 0, 0)), eyes[0], slit[2]))
    f.link(nose, eye)
    return eye, gill


def _tail(draft: Draft, fish: _Fish) -> list[int]:
    """Returns the keypoints of its tips and of the notch between them."""
    f, u = draft.figure, draft.u
    bone = f.bone(fish.rear, (-_HALF, 0, 0), (0, 0.4, 0.15))
    spread, length, notch = u(0.12, 0.3), u(0.12, 0.3), u(0.05, 0.15)
    p = f.row(bone, ((-_HALF - length, spread, 0), (-_HALF - length, -spread, 0), (-_HALF - notch, 0, 0)))
    f.plate([fish.upper[-1], p[0], p[2], p[1], fish.lower[-1]], fish.fin, anchor=fish.host, lift=-0.02)
    return f.keys(p)


def _fins(draft: Draft, fish: _Fish, top: int, bottom: int, gill: int) -> None:
    f, u, rng = draft.figure, draft.u, draft.rng
    rows = ((int(rng.integers(2, 5)), fish.upper, 1, top), (int(rng.integers(3, 6)), fish.lower, -1, bottom))
    for i, row, sign, key in rows:
        if draft.chance(0.75):
            x = fish.xs[i + 1]
            tip = f.point(fish.carrier(x), (x - 0.05, sign * (fish.heights[i + 1] + u(0.05, 0.2)), 0))
            f.plate([row[i], tip, row[i + 2]], fish.fin, anchor=fish.host, lift=-0.02)
            f.link(key, f.keypoint(tip))
    if draft.chance(0.7):
        bone = f.bone(fish.root, (_HALF * 0.35, -0.02, 0.03), (0.1, 0.2, 0.4))
        p = f.row(bone, ((_HALF * 0.38, 0, 0.04), (_HALF * 0.05, -0.08, 0.08), (_HALF * 0.3, -0.07, 0.05)))
        f.plate(p, fish.fin, anchor=fish.host, lift=0.05)
        f.link(gill, f.keypoint(p[1]))
