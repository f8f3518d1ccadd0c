# SPDX-License-Identifier: Apache-2.0
"""Shirts, coats, dresses, skirts and trousers, laid out or hung; mirror-symmetric."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import Array, View


class _Cloth(NamedTuple):
    root: int  # bone
    host: int  # point: everything is painted in its order
    half: Array  # (n, 2) outline, from the top down the side x > 0 to the bottom
    texture: int
    trim: int
    mark: int
    top: int  # keypoint
    sides: tuple[list[int], list[int]]  # keypoints down each side
    edge: tuple[list[int], list[int]]  # points, likewise


def build(draft: Draft) -> None:
    """Draw the outline, then sleeves, collar, buttons, pockets and a print."""
    f, u = draft.figure, draft.u
    f.view = View(yaw_spread=u(0.05, 0.45), pitch_spread=u(0.05, 0.3), roll_spread=u(0.05, 0.35))
    kind = int(draft.rng.integers(3))
    cloth = _outline(draft, (_shirt, _skirt, _trousers)[kind](draft))
    if kind == 0 and draft.chance(0.8):
        _sleeves(draft, cloth)
    if draft.chance(0.6):  # collar or belt
        right, left = cloth.edge
        f.stroke([left[1], right[0], right[1]], u(0.015, 0.04), cloth.trim, anchor=cloth.host, lift=0.03)
    if draft.chance(0.6):
        _front(draft, cloth, buttons=kind == 0 and draft.chance(0.7))
    for _ in range(int(draft.rng.integers(0, 3))):
        _pockets(draft, cloth)
    if draft.chance(0.4):
        size = u(0.05, 0.12)
        at, radii = (0, -0.28, 0.02), (size, size * u(0.5, 1.2))
        badge = f.spot(cloth.root, at, radii, cloth.mark, anchor=cloth.host, lift=0.04)
        f.link(cloth.top, f.keypoint(badge))


def _shirt(draft: Draft) -> list[tuple[float, float]]:
    u = draft.u
    neck, shoulder, waist, hem, length = u(0.07, 0.13), u(0.2, 0.3), u(0.16, 0.3), u(0.2, 0.45), u(0.55, 1.1)
    upper = [(0.0, -u(0.02, 0.14)), (neck, 0.0), (shoulder, -0.07), (waist * 1.05, -0.25)]
    return [*upper, (waist, -length * 0.55), (hem, -length), (0.0, -length)]


def _skirt(draft: Draft) -> list[tuple[float, float]]:
    u = draft.u
    waist, hem, length = u(0.15, 0.3), u(0.25, 0.5), u(0.4, 0.9)
    middle = ((waist + hem) / 2 * u(0.95, 1.15), -length * 0.5)
    return [(0.0, -0.01), (waist, 0.0), middle, (hem, -length), (0.0, -length * u(0.98, 1.05))]


def _trousers(draft: Draft) -> list[tuple[float, float]]:
    u = draft.u
    waist, hip, length = u(0.17, 0.25), u(0.22, 0.3), u(0.4, 1.0)
    leg = [(hip, -0.2), (hip + u(-0.06, 0.08), -length), (u(0.01, 0.1), -length)]
    return [(0.0, 0.0), (waist, 0.0), *leg, (0.0, -0.3)]


def _outline(draft: Draft, half: list[tuple[float, float]]) -> _Cloth:
    f = draft.figure
    texture, trim, mark = draft.texture(), draft.texture(), draft.texture()
    root = f.bone(-1, (0, 0, 0))
    right = f.row(root, [(x, y, 0.02 * np.sin(5 * y)) for x, y in half])
    between = f.row(root, [(-x, y, 0.02 * np.sin(5 * y)) for x, y in half[1:-1]])
    left = [right[0], *between, right[-1]]
    host = f.point(root, (0, min(y for _, y in half) / 2, 0))
    f.plate(right + between[::-1], texture, anchor=host, smooth=draft.chance(0.3))
    top = f.keypoint(right[0])
    sides = f.keys(right[1:-1]), f.keys(between)
    bottom = f.keypoint(right[-1])
    for side in sides:
        f.link(top, *side, bottom)
    return _Cloth(root, host, np.array(half), texture, trim, mark, top, sides, (right, left))


def _sleeves(draft: Draft, cloth: _Cloth) -> None:
    f, u = draft.figure, draft.u
    reach, wide, drop, cuffs = u(0.15, 0.6), u(0.07, 0.12), u(0.1, 1.2), draft.chance(0.7)
    shoulder, armpit = cloth.half[2] * (0.97, 1) - (0, 0.02), cloth.half[3] * (0.97, 1)
    way = np.array([np.cos(drop), -np.sin(drop)])
    across = np.array([-way[1], way[0]]) * wide
    end = shoulder + way * reach
    quad = (shoulder + across * 0.2 - way * 0.03, end + across * 0.5, end - across * 0.5, armpit)
    for side, keys in ((1, cloth.sides[0]), (-1, cloth.sides[1])):
        at = (side * shoulder[0], shoulder[1], 0)
        bone = f.bone(cloth.root, at, (0.1, 0.2, 0.25), "sleeve")
        p = f.row(bone, [(side * x, y, 0.01) for x, y in quad])
        f.plate(p, cloth.texture, anchor=cloth.host, lift=-0.05)
        f.link(keys[1], *f.keys(p[1:3]), keys[2])
        if cuffs:
            f.stroke(p[1:3], 0.03, cloth.trim, anchor=cloth.host, lift=-0.02)


def _front(draft: Draft, cloth: _Cloth, *, buttons: bool) -> None:
    """A seam down the middle, with or without buttons."""
    f = draft.figure
    ys = np.linspace(float(cloth.half[0, 1]), float(cloth.half[-1, 1]) * 0.95, 6)
    line = f.row(cloth.root, [(0, y, 0.02) for y in ys.tolist()])
    f.stroke(line, 0.008, cloth.trim, anchor=cloth.host, lift=0.03)
    if buttons:
        for p in line[1:5]:
            f.spot(cloth.root, f.points[p], (0.014, 0.014), cloth.mark, anchor=cloth.host, lift=0.06)
        f.link(cloth.top, *f.keys(line[1:5]))


def _pockets(draft: Draft, cloth: _Cloth) -> None:
    """One on each side."""
    f, u = draft.figure, draft.u
    x, y, size = u(0.05, 0.15), u(-0.45, -0.15), u(0.03, 0.06)
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    for side, keys in ((1, cloth.sides[0]), (-1, cloth.sides[1])):
        p = f.row(cloth.root, [(side * (x + a * size), y + b * size, 0.03) for a, b in corners])
        f.plate(p, cloth.mark, anchor=cloth.host, lift=0.04)
        f.link(keys[0], *f.keys((p[0], p[2])))
