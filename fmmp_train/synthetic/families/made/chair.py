# SPDX-License-Identifier: Apache-2.0
"""Chairs, armchairs, stools, tables and beds: boards on legs; the front faces +z."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.families.made.solids import box
from fmmp_train.synthetic.figure import View

_CORNERS = ((-1, -1), (-1, 1), (1, 1), (1, -1))  # x, z: left back, left front, right front, right back


class _Seat(NamedTuple):
    root: int  # bone
    w: float
    d: float
    h: float  # of the board's middle above the floor
    slab: float  # its thickness
    thick: float  # of legs and bars
    wood: int  # textures
    cloth: int
    keys: list[int]  # the corners' keypoints


def build(draft: Draft) -> None:
    """Draw the board, what it stands on, and perhaps a back and arms."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-0.8, 0.8),
        yaw_spread=u(0.15, 0.5),
        pitch=u(0.1, 0.5),
        pitch_spread=0.12,
        roll_spread=0.08,
    )
    wood, cloth = draft.texture(), draft.texture()
    w, d, h, slab = u(0.35, 1.0), u(0.35, 0.7), u(0.25, 0.55), u(0.03, 0.18)
    root = f.bone(-1, (0, 0, 0))
    corners = box(draft, root, (0, h, 0), (w, slab, d), cloth)
    left, right = corners[3], corners[2]
    keys = f.keys((left[0], left[1], right[1], right[0]))
    f.link(*keys, keys[0])
    seat = _Seat(root, w, d, h, slab, u(0.012, 0.035), wood, cloth, keys)
    if draft.chance(0.2):
        _column(draft, seat)
    else:
        _legs(draft, seat)
    if draft.chance(0.75):
        tops = _back(draft, seat)
        f.link(keys[0], *tops, keys[3])
        if draft.chance(0.35):
            _arms(draft, seat, tops)


def _column(draft: Draft, seat: _Seat) -> None:
    """One column on a star of feet."""
    f = draft.figure
    foot, hub = f.row(seat.root, ((0, seat.h * 0.25, 0), (0, seat.h - seat.slab / 2, 0)))
    f.limb(hub, foot, seat.thick * 1.5, seat.thick * 1.5, seat.wood)
    hub_key, foot_key = f.keypoint(hub), f.keypoint(foot)
    f.link(seat.keys[1], hub_key, foot_key)
    turn, count = draft.u(0, 1), int(draft.rng.integers(3, 6))
    for t in np.linspace(turn, turn + 2 * np.pi, count, endpoint=False).tolist():
        end = f.point(seat.root, (np.cos(t) * seat.w * 0.5, 0, np.sin(t) * seat.w * 0.5))
        f.limb(foot, end, seat.thick, seat.thick * 0.8, seat.wood)
        f.link(foot_key, f.keypoint(end))


def _legs(draft: Draft, seat: _Seat) -> None:
    f, thick, under = draft.figure, seat.thick, seat.h - seat.slab / 2
    rounded, splay, taper = draft.chance(0.6), draft.u(0, 0.08), draft.u(0.6, 1)
    for key, (x, z) in zip(seat.keys, _CORNERS, strict=True):
        at_x, at_z = x * (seat.w / 2 - thick), z * (seat.d / 2 - thick)
        if rounded:
            head, foot = f.row(seat.root, ((at_x, under, at_z), (at_x + x * splay, 0, at_z + z * splay)))
            f.limb(head, foot, thick, thick * taper, seat.wood, lift=-0.02)
        else:
            box(draft, seat.root, (at_x, under / 2, at_z), (thick * 2, under, thick * 2), seat.wood)
            foot = f.point(seat.root, (at_x, 0, at_z))
        f.link(key, f.keypoint(foot))


def _back(draft: Draft, seat: _Seat) -> list[int]:
    """A padded back, a board between posts, or bars; returns the keypoints of its upper corners."""
    f, u, w, thick = draft.figure, draft.u, seat.w, seat.thick
    texture = seat.cloth if draft.chance(0.5) else draft.texture()
    rise, lean, kind = u(0.25, 0.7), u(0, 0.12), int(draft.rng.integers(3))
    foot_y, foot_z = seat.h, -seat.d / 2
    top_y, top_z = seat.h + seat.slab / 2 + rise, foot_z - lean
    hinge = f.bone(seat.root, (0, foot_y, foot_z), (0.12, 0, 0))
    tops = []
    for x in (-w * 0.46, w * 0.46):
        post = f.row(hinge, ((x, foot_y, foot_z), (x, top_y, top_z)))
        tops.append(post[1])
        if kind:
            f.limb(post[0], post[1], thick, thick, seat.wood)
    if kind == 0:
        middle = (0, top_y - rise / 2, foot_z - lean / 2)
        box(draft, hinge, middle, (w, rise, max(seat.slab * 0.6, 0.03)), texture)
        return f.keys(tops)
    low = u(0.1, 0.6) if kind == 1 else 0.85
    board = [
        (x, top_y - rise * (1 - part), foot_z - lean * part)
        for x, part in ((-1, low), (1, low), (1, 0.97), (-1, 0.97))
    ]
    f.plate(f.row(hinge, [(x * w * 0.44, y, z) for x, y, z in board]), texture)
    for i in range(int(draft.rng.integers(0, 4)) if kind == 2 else 0):
        x = w * (-0.3 + 0.2 * i)
        bar = f.row(hinge, ((x, foot_y, foot_z), (x, top_y, top_z)))
        f.limb(bar[0], bar[1], thick * 0.6, thick * 0.6, seat.wood)
    return f.keys(tops)


def _arms(draft: Draft, seat: _Seat, tops: list[int]) -> None:
    f, thick, y = draft.figure, seat.thick, seat.h + 0.2
    for top, x, front in ((tops[0], -seat.w / 2, seat.keys[1]), (tops[1], seat.w / 2, seat.keys[2])):
        back, end, foot = f.row(
            seat.root, ((x, y, -seat.d * 0.45), (x, y, seat.d * 0.4), (x, seat.h, seat.d * 0.4))
        )
        f.limb(back, end, thick * 1.3, thick * 1.3, seat.wood)
        f.limb(end, foot, thick, thick, seat.wood)
        f.link(top, *f.keys((back, end)), front)
