# SPDX-License-Identifier: Apache-2.0
"""Bicycles and motorcycles from their side, front wheel towards +x."""

from __future__ import annotations

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import View

_RIM_POINTS = 24


def build(draft: Draft) -> None:
    """Draw the wheels, the frame between them, then what is mounted on it."""
    f, u = draft.figure, draft.u
    f.view = View(yaw=u(-0.6, 0.6), yaw_spread=u(0.1, 0.4), pitch=u(0, 0.25), roll_spread=0.08)
    frame, black = draft.texture(), draft.plain((40, 34, 32))
    motor, base = draft.chance(0.5), u(0.5, 0.68)
    thick = u(0.012, 0.03) * (1.8 if motor else 1)
    root = f.bone(-1, (0, 0, 0))
    steer = f.bone(root, (base * 0.36, 0.3, 0), (0, 0.3, 0))
    (back, back_rim), (front, front_rim) = _wheels(
        draft, ((root, -base / 2), (steer, base / 2)), thick, motor
    )
    height = u(0.36, 0.5)
    saddle, crank, head = f.row(
        root,
        (
            (-base * u(0.15, 0.3), u(0.28, 0.4), 0),
            (-base * 0.02, u(-0.03, 0.05), 0),
            (base * 0.3, u(0.26, 0.34), 0),
        ),
    )
    stem, fork = f.row(steer, ((base * 0.26, height, 0), (base * 0.33, 0.24, 0)))
    bars = (
        (back, saddle),
        (back, crank),
        (crank, saddle),
        (crank, head),
        (saddle, head),
        (fork, front),
        (head, stem),
    )
    for bar in bars:
        f.limb(*bar, thick, thick, frame)
    f.blob(root, f.points[saddle], (u(0.06, 0.14), 0.03, 0.05), black, lift=0.05)
    keys = f.keys((back, crank, saddle, head, front, stem))
    f.link(keys[0], keys[1], keys[3], keys[4])
    f.link(keys[0], keys[2], keys[3], keys[5])
    if motor:
        _engine(draft, root, base, saddle, keys)
    shown = ((18,), (6, 18), (0, 6, 12, 18))[int(draft.rng.integers(3))]
    for hub, rim in ((keys[0], back_rim), (keys[4], front_rim)):
        for i in shown:
            f.link(hub, f.keypoint(rim[i]))
    lamp_at, reach = (base * 0.34, height * 0.85, 0.03), u(0.1, 0.2)
    lamp = f.spot(steer, lamp_at, (0.035, 0.035), draft.plain((235, 230, 200)), lift=0.1)
    f.link(keys[5], f.keypoint(lamp))
    for side in (1, -1):
        grip = f.point(steer, (base * 0.2, height + 0.03, side * reach))
        f.limb(stem, grip, thick * 0.7, thick * 0.9, black)
        f.link(keys[5], f.keypoint(grip))


def _wheels(
    draft: Draft, places: tuple[tuple[int, float], ...], thick: float, motor: bool
) -> list[tuple[int, list[int]]]:
    """A wheel on each (bone, x); returns the points of hub and rim, from +x over the top."""
    f, radius = draft.figure, draft.u(0.18, 0.27)
    tyre, metal = draft.plain((30, 30, 32)), draft.plain((160, 162, 166))
    ring = np.linspace(0, 2 * np.pi, _RIM_POINTS + 1).tolist()
    wheels = []
    for bone, x in places:
        hub = f.point(bone, (x, 0, 0))
        rim = f.row(bone, [(x + radius * np.cos(t), radius * np.sin(t), 0) for t in ring])
        if motor:
            for side in (1, -1):
                f.spot(bone, (x, 0, 0.01 * side), (radius * 0.75,) * 2, metal, side=side, lift=-0.04)
        else:
            for end in rim[:-1:3]:
                f.stroke([hub, end], 0.004, metal, lift=-0.05)
        f.stroke(rim, thick * (2.4 if motor else 1.2), tyre, anchor=hub, lift=-0.03)
        f.blob(bone, (x, 0, 0), (radius * 0.16,) * 3, metal, lift=0.02)
        wheels.append((hub, rim))
    return wheels


def _engine(draft: Draft, root: int, base: float, saddle: int, keys: list[int]) -> None:
    f, body, metal = draft.figure, draft.texture(), draft.plain((120, 122, 128))
    tank = f.blob(root, (base * 0.1, 0.3, 0), (base * 0.24, 0.09, 0.07), body, lift=0.04)
    f.blob(root, (0, 0.1, 0), (base * 0.17, 0.12, 0.07), metal, lift=0.02)
    tail = f.point(root, (-base * 0.62, 0.36, 0))
    f.limb(saddle, tail, 0.035, 0.02, body, lift=0.03)
    f.link(keys[3], f.keypoint(tank), keys[2], f.keypoint(tail))
