# SPDX-License-Identifier: Apache-2.0
"""Cars, vans and lorries, nose towards +x, seen from outside and a little above."""

from __future__ import annotations

from typing import NamedTuple

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.families.made.solids import extrude
from fmmp_train.synthetic.figure import View

_Side = dict[str, int]  # keypoints of one side by name


class _Car(NamedTuple):
    root: int  # bone
    half: float  # of the length
    wide: float  # half of the width
    low: float  # height of the body without the cabin
    sill: float
    hood: float  # heights of its ends
    trunk: float


class _Cabin(NamedTuple):
    anchor: int  # point in its middle
    wide: float
    bottom: float
    height: float
    front: tuple[float, float]  # x at its bottom and at the roof
    back: tuple[float, float]


def build(draft: Draft) -> None:
    """Draw the body, the cabin with its windows, then wheels and lamps on both sides."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-1.0, 1.0),
        yaw_spread=u(0.15, 0.6),
        pitch=u(0.05, 0.4),
        pitch_spread=0.12,
        roll_spread=0.06,
        turn_chance=0.3 if draft.chance(0.3) else 0.0,
    )
    low = u(0.15, 0.26)
    root = f.bone(-1, (0, 0, 0))
    car = _Car(root, u(0.45, 0.58), u(0.18, 0.25), low, u(0.06, 0.1), low * u(0.75, 1), low * u(0.8, 1.05))
    half, sill = car.half, car.sill
    profile = [(-half, sill), (half, sill), (half * 1.02, low * 0.6)]
    profile += [(half * 0.96, car.hood), (0, low), (-half, car.trunk)]
    paint = draft.texture()
    body = extrude(draft, root, profile, -car.wide, car.wide, paint)
    cabin, corners = _cabin(draft, car, paint if draft.chance(0.7) else draft.texture())
    left: _Side = {}
    right: _Side = {}
    for end, keys in ((0, left), (1, right)):
        named = {"hood": corners[1], "roof front": corners[2], "roof back": corners[3]}
        named |= {"trunk": body[5], "bumper": body[1]}
        keys.update({name: f.keypoint(corner[end]) for name, corner in named.items()})
    _windows(draft, car, cabin)
    _wheels(draft, car, left, right)
    _lamps(draft, car, left, right)
    _link(draft, left, right)


def _cabin(draft: Draft, car: _Car, paint: int) -> tuple[_Cabin, list[tuple[int, int]]]:
    f, u = draft.figure, draft.u
    height, wide, bottom = u(0.14, 0.34), car.wide * u(0.75, 0.95), car.low * 0.95
    f0, f1 = u(0.1, 0.75) * car.half, u(-0.1, 0.5) * car.half
    b1, b0 = u(-0.9, -0.4) * car.half, u(-1, -0.6) * car.half
    f1, b1 = min(f0, f1), max(b0, b1)
    profile = [(b0, bottom), (f0, bottom), (f1, car.low + height), (b1, car.low + height)]
    corners = extrude(draft, car.root, profile, -wide, wide, paint)
    anchor = f.point(car.root, ((f0 + b0) / 2, car.low + height / 2, 0))
    return _Cabin(anchor, wide, bottom, height, (f0, f1), (b0, b1)), corners


def _windows(draft: Draft, car: _Car, cabin: _Cabin) -> None:
    f, u = draft.figure, draft.u
    glass, trim = draft.plain(draft.rng.uniform(25, 110, 3)), draft.plain((44, 44, 48))
    middle = f.points[cabin.anchor]
    (f0, f1), (b0, b1) = cabin.front, cabin.back
    y0, y1 = cabin.bottom + cabin.height * 0.16, cabin.bottom + cabin.height * 0.9
    split = u(-0.1, 0.1) * car.half
    panes = (
        (split + 0.015, min(split + 0.015, f1), f1 - 0.03, f0 - 0.06),
        (b0 + 0.05, b1 + 0.03, split - 0.015, split - 0.015),
    )
    for z in (-cabin.wide * 1.012, cabin.wide * 1.012):
        for a0, a1, c1, c0 in panes:
            p = f.row(car.root, ((a0, y0, z), (a1, y1, z), (c1, y1, z), (c0, y0, z)))
            f.plate(p, glass, anchor=cabin.anchor, lift=0.03, outside_of=middle)
        side = car.wide * 1.005 * (1 if z > 0 else -1)
        door = f.row(car.root, ((split, car.low * 0.9, side), (split, car.sill * 1.4, side)))
        f.stroke(door, 0.006, trim, lift=0.02)
    inner = cabin.wide * 0.88
    for x0, x1, out in ((f0, f1, 0.012), (b0, b1, -0.012)):
        corners = []
        for part, z in ((0.12, -inner), (0.9, -inner * 0.92), (0.9, inner * 0.92), (0.12, inner)):
            corners.append((x0 + (x1 - x0) * part + out, cabin.bottom + cabin.height * part, z))
        f.plate(f.row(car.root, corners), glass, anchor=cabin.anchor, lift=0.03, outside_of=middle)
    front, z = car.half * 1.025, car.wide * 0.45
    grille = (
        (front, car.sill * 1.3, -z),
        (front, car.hood * 0.62, -z),
        (front, car.hood * 0.62, z),
        (front, car.sill * 1.3, z),
    )
    host = f.point(car.root, (car.half, car.hood / 2, 0))
    f.plate(f.row(car.root, grille), trim, anchor=host, lift=0.08, outside_of=(0, car.hood / 2, 0))


def _wheels(draft: Draft, car: _Car, left: _Side, right: _Side) -> None:
    f, u = draft.figure, draft.u
    tyre, rim, radius = draft.plain((32, 32, 34)), draft.plain((150, 152, 156)), u(0.085, 0.13)
    places = {"front wheel": car.half * u(0.55, 0.72), "back wheel": -car.half * u(0.5, 0.7)}
    for z, keys in ((-1, left), (1, right)):
        for name, x in places.items():
            at = (x, car.sill * 1.05, z * car.wide * 1.02)
            f.spot(car.root, at, (radius, radius), tyre, side=z, lift=0.08)
            keys[name] = f.keypoint(f.spot(car.root, at, (radius * 0.55,) * 2, rim, side=z, lift=0.09))


def _lamps(draft: Draft, car: _Car, left: _Side, right: _Side) -> None:
    f = draft.figure
    white, red = draft.plain((240, 236, 205)), draft.plain((170, 26, 24))
    for z, keys in ((-1, left), (1, right)):
        front = (car.half * 1.02, car.hood * 0.8, z * car.wide * 0.72)
        back = (-car.half * 1.01, car.trunk * 0.75, z * car.wide * 0.72)
        keys["front lamp"] = f.keypoint(
            f.disc(car.root, front, (0, 0, -0.045), (0, 0.03, 0), white, lift=0.1)
        )
        keys["back lamp"] = f.keypoint(f.disc(car.root, back, (0, 0, 0.045), (0, 0.03, 0), red, lift=0.1))


def _link(draft: Draft, left: _Side, right: _Side) -> None:
    f = draft.figure
    chains = (
        ("roof front", "roof back", "trunk", "back lamp"),
        ("roof front", "hood", "front lamp", "bumper"),
        ("front lamp", "front wheel", "back wheel", "back lamp"),
    )
    for side in (left, right):
        for chain in chains:
            f.link(*(side[name] for name in chain))
    for name in ("roof front", "roof back", "front lamp", "back lamp", "hood"):
        f.link(left[name], right[name])
