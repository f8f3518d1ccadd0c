# SPDX-License-Identifier: Apache-2.0
"""Hands, paws and claws: a palm and three to six fingers that bend; fingers point to +y."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import Array, View, vec


class _Hand(NamedTuple):
    root: int  # bone
    wrist: int  # point
    width: float
    length: float
    thick: float  # of a finger
    skin: int
    has_thumb: bool


def build(draft: Draft) -> None:
    """Draw the arm, the palm, then finger after finger; the thumb first."""
    f, u, rng = draft.figure, draft.u, draft.rng
    yaw, f.boxed = 0.0 if draft.chance(0.6) else np.pi, draft.chance(0.6)
    f.view = View(
        yaw=yaw,
        yaw_spread=u(0.1, 0.6),
        pitch=u(-0.3, 0.3),
        pitch_spread=u(0.1, 0.4),
        roll_spread=u(0.1, 0.9),
    )
    skin = draft.skin(vec(200, 152, 126) * u(0.35, 1.2)) if draft.chance(0.75) else draft.texture()
    count = int(rng.choice([3, 4, 5, 5, 5, 5, 6]))
    root = f.bone(-1, (0, 0, 0))
    wrist = f.point(root, (0, 0, 0))
    hand = _Hand(root, wrist, u(0.26, 0.4), u(0.34, 0.5), u(0.038, 0.06), skin, count >= 4)
    wrist_key = f.keypoint(wrist)
    bases = _palm(draft, hand, count)
    finger, curl, nail = u(0.3, 0.5), u(0.2, 0.8), draft.plain((226, 190, 176))
    splay = u(0.3, 0.6)
    knuckles = []
    for i, base in enumerate(bases):
        thumb = hand.has_thumb and i == 0
        way = vec(-0.75, 0.66, 0.1) if thumb else vec(base[0] / hand.width * splay, 1, 0)
        place = (i - 1) / max(count - 2, 1)  # 0 forefinger, 1 little finger
        reach = finger * (0.75 if thumb else 1 - 0.35 * abs(place - 0.45))
        keys = _finger(draft, hand, base, reach * way / np.linalg.norm(way), curl, nail, thumb)
        f.link(wrist_key, *keys)
        knuckles.append(keys[0])
    if draft.chance(0.3):
        f.link(*knuckles)


def _palm(draft: Draft, hand: _Hand, count: int) -> list[Array]:
    """Arm, sleeve and palm; returns where the fingers begin."""
    f, u, w = draft.figure, draft.u, hand.width
    arm, cuff = f.row(hand.root, ((u(-0.05, 0.05), -u(0.2, 0.5), 0), (0, -0.14, 0)))
    f.limb(hand.wrist, arm, w * 0.33, w * 0.36, hand.skin, lift=-0.03)
    if draft.chance(0.5):
        f.limb(cuff, arm, w * 0.42, w * 0.5, draft.texture(), lift=-0.02)
    bases = [vec(-w * 0.5, hand.length * 0.28, 0.02)] if hand.has_thumb else []
    others = count - len(bases)
    for part in np.linspace(0, 1, others):
        bases.append(vec(w * (-0.42 + 0.84 * part), hand.length * (1 - 0.24 * abs(part - 0.4)), 0))
    heel, edge = (w * 0.3, -0.02, 0), (w * 0.5, hand.length * 0.4, 0)
    palm = f.row(hand.root, ((-w * 0.3, -0.02, 0), *bases, edge, heel))
    f.plate(palm, hand.skin, anchor=hand.wrist, smooth=True)
    return bases


def _finger(
    draft: Draft, hand: _Hand, base: Array, way: Array, curl: float, nail: int, thumb: bool
) -> list[int]:
    """Three bones from `base` along `way`; returns the keypoints, knuckle first."""
    f, thick = draft.figure, hand.thick
    previous = f.point(hand.root, base)
    f.limb(hand.wrist, previous, hand.width * 0.24, thick * 1.15, hand.skin, lift=0.005)
    bone, at = hand.root, base
    points = [previous]
    for s, part in enumerate((0.45, 0.3, 0.25)):
        swing = (curl * 0.9, 0.05, 0.12) if s == 0 else (curl * 0.8, 0, 0.02)
        bone = f.bone(bone, at, swing, f"thumb{s}" if thumb else f"finger{s}")
        at = at + part * way + vec(0, 0, 0.012 * s)
        points.append(f.point(bone, at))
        r0, r1 = thick * (1.1 - 0.13 * s), thick * (0.97 - 0.13 * s)
        f.limb(points[-2], points[-1], r0, r1, hand.skin, lift=0.02 + 0.01 * s)
    back = at - vec(0, 0, thick * 0.7)
    f.spot(bone, back, (thick * 0.45, thick * 0.6), nail, side=-1, anchor=points[-1], lift=0.1)
    return f.keys(points)
