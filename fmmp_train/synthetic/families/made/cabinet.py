# SPDX-License-Identifier: Apache-2.0
"""Boxes with doors, drawers, dials or screens on their front: cupboards, ovens, radios, houses, phones."""

from __future__ import annotations

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.families.made.solids import box
from fmmp_train.synthetic.figure import View

_GAP = 0.012  # between panels


def build(draft: Draft) -> None:
    """Draw the case, panels in rows and columns with a knob each, and perhaps a mast."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-0.7, 0.7),
        yaw_spread=u(0.1, 0.4),
        pitch=u(-0.1, 0.4),
        pitch_spread=0.12,
        roll_spread=u(0.03, 0.3),
    )
    w, h, d = u(0.4, 1.0), u(0.4, 1.0), u(0.04, 0.6)
    root = f.bone(-1, (0, 0, 0))
    corners = box(draft, root, (0, 0, 0), (w, h, d), draft.texture())
    front = f.keys(corner[1] for corner in corners)
    f.link(*front, front[0])
    if d > 0.15:
        for key, corner in zip(front[2:], corners[2:], strict=True):
            f.link(key, f.keypoint(corner[0]))
    knob = _panels(draft, root, w, h, d, front)
    if draft.chance(0.4):
        x = w * u(-0.4, 0.4)
        foot, tip = f.row(root, ((x, h / 2, 0), (x + u(-0.2, 0.2), h / 2 + u(0.1, 0.5), 0)))
        f.limb(foot, tip, 0.02, 0.012, knob)
        f.link(front[2], f.keypoint(tip))


def _panels(draft: Draft, root: int, w: float, h: float, d: float, front: list[int]) -> int:
    """Returns the knobs' texture."""
    f, u, rng = draft.figure, draft.u, draft.rng
    panel, knob = draft.texture(), draft.plain(rng.uniform(10, 240, 3))
    host = f.point(root, (0, 0, 0))
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    ys = np.linspace(-h * 0.46, h * 0.46, rows + 1)
    ys[1:-1] += rng.uniform(-0.02, 0.02, rows - 1)
    xs = np.linspace(-w * 0.46, w * 0.46, columns + 1)
    place, radius, flat = u(0.2, 0.8), u(0.08, 0.25), u(0.5, 1)
    shown = ((0, 2), (0, 1, 2, 3))[int(rng.integers(2))]
    for i, j in np.ndindex(rows, columns):
        x0, x1, y0, y1 = xs[j] + _GAP, xs[j + 1] - _GAP, ys[i] + _GAP, ys[i + 1] - _GAP
        p = f.row(root, [(x, y, d / 2 + 0.004) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))])
        if draft.chance(0.8):
            f.plate(p, panel, anchor=host, lift=0.03, outside_of=(0, 0, 0))
        size = min(x1 - x0, y1 - y0) * radius
        at = ((x0 + x1) / 2, y1 - (y1 - y0) * place, d / 2 + 0.01)
        key = f.keypoint(f.spot(root, at, (size, size * flat), knob, anchor=host, lift=0.05))
        f.link(front[2 if i >= rows / 2 else 0], key)
        if len(f.keypoints) < 30:
            for corner in shown:
                f.link(key, f.keypoint(p[corner]))
    return knob
