# SPDX-License-Identifier: Apache-2.0
"""Things turned about an upright axis: bottles, vases, lamps, cups, chessmen; perhaps with a handle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import View


def build(draft: Draft) -> None:
    """Draw a stack of bands, the mouth, and perhaps a label and a handle."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(yaw_spread=0.1, pitch=u(0, 0.2), pitch_spread=0.1, roll_spread=u(0.03, 0.4))
    cap, label = draft.texture(), draft.texture()
    levels = int(rng.integers(3, 9))
    heights = np.cumsum(rng.uniform(0.3, 1, levels))
    ys = ((heights - heights[0]) / (heights[-1] - heights[0]) - 0.5).tolist()
    radii = (np.exp(rng.normal(0, 0.55, levels)) * u(0.08, 0.2)).clip(0.03, 0.4).tolist()
    if draft.chance(0.6):  # a bottle narrows to its mouth
        radii.sort(reverse=True)
    root = f.bone(-1, (0, 0, 0))
    host = f.point(root, (0, 0, 0))
    _bands(draft, root, host, ys, radii, cap, label)
    top = radii[-1]
    dark = draft.plain((40, 36, 34))
    mouth = f.disc(root, (0, ys[-1], 0), (top, 0, 0), (0, 0, -top), dark, anchor=host, lift=0.02)
    left = f.row(root, [(-r, y, 0) for r, y in zip(radii, ys, strict=True)])
    right = f.row(root, [(r, y, 0) for r, y in zip(radii, ys, strict=True)])
    left_keys, right_keys = f.keys(left), f.keys(right)
    f.link(*left_keys, *right_keys[::-1], left_keys[0])
    middle = levels // 2
    if draft.chance(0.3):
        f.link(left_keys[-1], f.keypoint(mouth))
    if draft.chance(0.5):
        size = radii[middle] * u(0.3, 0.6)
        at = (0, ys[middle], radii[middle])
        logo = f.spot(root, at, (size, size * u(0.4, 1)), label, anchor=host, lift=0.1)
        f.link(left_keys[middle], f.keypoint(logo))
    if draft.chance(0.35):
        low, high = sorted(rng.choice(levels, 2, replace=False).tolist())
        out = max(radii) + u(0.08, 0.2)
        bent = f.row(root, ((out, ys[low] + 0.03, 0), (out, ys[high] - 0.03, 0)))
        for a, b in pairwise([right[low], *bent, right[high]]):
            f.limb(a, b, 0.022, 0.022, cap, lift=-0.05)
        f.link(right_keys[low], *f.keys(bent), right_keys[high])


def _bands(
    draft: Draft, root: int, host: int, ys: list[float], radii: list[float], cap: int, label: int
) -> None:
    """From level to level, some in a colour of their own."""
    f, body, labelled = draft.figure, draft.texture(), draft.chance(0.65)
    axis = f.row(root, [(0, y, 0) for y in ys])
    for i in range(len(ys) - 1):
        texture = label if labelled and draft.chance(0.35) else body
        if i == len(ys) - 2 and draft.chance(0.6):
            texture = cap
        f.tube(axis[i], axis[i + 1], radii[i], radii[i + 1], texture, anchor=host, lift=0.001 * i)
