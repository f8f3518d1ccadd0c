# SPDX-License-Identifier: Apache-2.0
"""Birds from their side, perched or with spread wings; beak towards +x."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import Array, View, vec


class _Bird(NamedTuple):
    root: int  # bone
    way: Array  # along the body, towards the head
    up: Array
    fat: float
    plumage: int  # textures
    wing: int
    beak: int
    chest: int  # keypoints
    rump: int


def build(draft: Draft) -> None:
    """Draw the body, the head, the tail, then wings and legs."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-0.6, 0.6), yaw_spread=u(0.1, 0.4), pitch_spread=0.15, roll_spread=u(0.1, 0.4), turn_chance=0.15
    )
    plumage, wing, beak = draft.texture(), draft.texture(), draft.texture()
    breast = draft.texture() if draft.chance(0.6) else plumage
    root = f.bone(-1, (0, 0, 0))
    tilt, fat = u(0.1, 0.9), u(0.11, 0.2)
    way, up = vec(np.cos(tilt), np.sin(tilt), 0), vec(-np.sin(tilt), np.cos(tilt), 0)
    chest, rump = f.row(root, (way * 0.22, way * -0.25))
    f.limb(chest, rump, fat, fat * 0.55, plumage, bulge=fat * 0.15)
    f.blob(root, way * 0.22 - up * fat * 0.25, (fat * 0.9, fat * 0.8, fat * 0.8), breast, lift=0.01)
    bird = _Bird(root, way, up, fat, plumage, wing, beak, f.keypoint(chest), f.keypoint(rump))
    f.link(bird.chest, bird.rump)
    _head(draft, bird)
    _tail(draft, bird)
    _wings(draft, bird, flying=draft.chance(0.4))
    _legs(draft, bird)


def _head(draft: Draft, bird: _Bird) -> None:
    f, u, fat = draft.figure, draft.u, bird.fat
    dark, size = draft.plain((16, 15, 16)), u(0.075, 0.12)
    chest = bird.way * 0.22
    at = chest + bird.way * fat * 0.6 + vec(0.05, 0.1 + u(0.05, 0.4), 0)
    neck = f.bone(bird.root, chest, (0.1, 0.1, 0.25))
    head = f.bone(neck, at, (0.2, 0.4, 0.3))
    throat = f.point(bird.root, chest + bird.up * fat * 0.2)
    f.limb(throat, f.point(neck, at), fat * 0.6, size * 0.75, bird.plumage)
    skull = f.blob(head, at, (size * 1.1, size, size * 0.9), bird.plumage, lift=0.03)
    base, tip = f.row(head, (at + vec(size * 0.7, 0, 0), at + vec(size + u(0.06, 0.3), -0.02, 0)))
    f.limb(base, tip, size * u(0.25, 0.5), 0.008, bird.beak, lift=0.02)
    eyes = []
    for side in (1, -1):
        eye_at = at + vec(size * 0.35, size * 0.2, side * size * 0.85)
        eyes.append(f.spot(head, eye_at, (size * 0.2,) * 2, dark, side=side, anchor=skull, lift=0.1))
    crown = f.point(head, at + vec(-size * 0.2, size * 0.95, 0))
    nape = f.point(neck, at - vec(size * 0.9, size * 0.4, 0))
    keys = f.keys((tip, eyes[0], crown, nape))
    f.link(*keys, bird.rump)
    f.link(keys[1], bird.chest)


def _tail(draft: Draft, bird: _Bird) -> None:
    f, u, rump = draft.figure, draft.u, bird.way * -0.25
    bone = f.bone(bird.root, rump, (0.1, 0.1, 0.25))
    end, fan = rump - bird.way * u(0.15, 0.45), bird.up * u(0.04, 0.14)
    p = f.row(bone, (rump + bird.up * 0.04, end + fan, end - fan, rump - bird.up * 0.05))
    f.plate(p, bird.wing, lift=-0.03)
    f.link(bird.rump, *f.keys(p[1:3]))


def _wings(draft: Draft, bird: _Bird, *, flying: bool) -> None:
    f, way, up, fat = draft.figure, bird.way, bird.up, bird.fat
    swing, length = (0.3, 0.2, 0.2) if flying else (0.03, 0.05, 0.1), draft.u(0.4, 0.6)
    for side in (1, -1):
        at = way * 0.154 + up * fat * 0.35 + vec(0, 0, side * fat * 0.8)
        bone = f.bone(bird.root, at, swing, "wing")
        if flying:
            out = vec(-0.1, 0.25, side * 0.5) * (length / 0.5)
            moves = (0 * out, 0.6 * out + 0.12 * way, 1.2 * out, 0.5 * out - 0.28 * way, -0.3 * way)
        else:
            moves = (
                0 * up,
                0.03 * up - 0.15 * way,
                -length * way,
                -0.25 * way - 0.8 * fat * up,
                -0.7 * fat * up,
            )
        p = f.row(bone, [at + move for move in moves])
        f.plate(p, bird.wing, smooth=True, lift=0.06 * side)
        f.link(bird.chest, *f.keys(p[1:3]), bird.rump)


def _legs(draft: Draft, bird: _Bird) -> None:
    f, fat = draft.figure, bird.fat
    for side in (1, -1):
        hip = vec(-0.02, -fat * 0.4, side * fat * 0.4)
        bone = f.bone(bird.root, hip, (0.05, 0, 0.3), "leg")
        p = f.row(
            bone, (hip, hip + vec(-0.03, -0.14, 0), hip + vec(0.01, -0.26, 0), hip + vec(0.07, -0.27, 0))
        )
        f.stroke(p, 0.02, bird.beak, lift=-0.05)
        f.link(bird.chest, *f.keys(p[1:3]))
