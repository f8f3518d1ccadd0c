# SPDX-License-Identifier: Apache-2.0
"""Aeroplanes from above or from a side, nose towards +x."""

from __future__ import annotations

from typing import NamedTuple

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import View

_HALF = 0.5  # length of the fuselage


class _Wing(NamedTuple):
    x: float
    span: float
    chord: float
    sweep: float


def build(draft: Draft) -> None:
    """Draw the fuselage, wings, tail planes, the fin."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-1.2, 1.2),
        yaw_spread=u(0.1, 0.5),
        pitch=u(0.2, 1.3),
        pitch_spread=0.2,
        roll_spread=u(0.05, 0.8),
    )
    hull, dark = draft.texture(), draft.plain((40, 44, 52))
    texture = hull if draft.chance(0.5) else draft.texture()
    radius = u(0.035, 0.08)
    root = f.bone(-1, (0, 0, 0))
    nose, tail = f.row(root, ((_HALF, 0, 0), (-_HALF, radius * 0.5, 0)))
    f.limb(nose, tail, radius * 0.8, radius * 0.4, hull, bulge=radius * 0.4)
    cockpit = f.blob(
        root, (_HALF * 0.82, radius * 0.7, 0), (0.07, radius * 0.6, radius * 0.7), dark, lift=0.05
    )
    keys = f.keys((nose, cockpit, tail))
    f.link(*keys)
    span, chord, sweep = u(0.3, 0.65), u(0.12, 0.3), u(-0.05, 0.35)
    small = u(0.3, 0.5)
    main = _Wing(u(-0.1, 0.2), span, chord, sweep)
    rear = _Wing(-_HALF * 0.85, span * small, chord * small, sweep * small)
    engine = u(0.3, 0.6) if draft.chance(0.6) else None
    for side in (1, -1):
        wing_keys = _wing(draft, root, main, side * radius * 0.5, side, texture, -0.01)
        f.link(keys[0], *wing_keys, keys[2])
        f.link(keys[1], *_wing(draft, root, rear, side * radius * 0.5, side, texture, 0.0), keys[2])
        if engine is not None:
            at = (main.x, -0.03, side * span * engine)
            p = f.row(root, ((at[0] + chord * 0.4, *at[1:]), (at[0] - chord * 0.3, *at[1:])))
            f.limb(p[0], p[1], radius * 0.5, radius * 0.4, dark)
            f.link(wing_keys[0], f.keypoint(p[0]))
    height, low = u(0.12, 0.3), radius * 0.4
    fin = ((-_HALF * 0.7, low, 0), (-_HALF * 0.95, height, 0), (-_HALF * 1.08, height, 0), (-_HALF, low, 0))
    p = f.row(root, fin)
    f.plate(p, texture)
    f.link(keys[2], *f.keys(p[1:3]))


def _wing(draft: Draft, root: int, wing: _Wing, z: float, side: int, texture: int, lift: float) -> list[int]:
    """Returns the keypoints of its corners, from the front of its root around the tip."""
    f, c, tip = draft.figure, wing.chord, wing.x - wing.sweep
    corners = (
        (wing.x + c / 2, 0, z),
        (tip + c / 4, 0.03, side * wing.span),
        (tip - c / 4, 0.03, side * wing.span),
        (wing.x - c / 2, 0, z),
    )
    p = f.row(root, corners)
    f.plate(p, texture, lift=lift)
    return f.keys(p)
