# SPDX-License-Identifier: Apache-2.0
"""Four-legged animals, seen from their side; head towards +x, z points to their right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import Array, View, vec


class _Body(NamedTuple):
    root: int  # bones
    front: int
    half: float  # of the length
    depth: float
    width: float
    thick: float  # of a leg
    coat: int
    withers: int  # keypoints
    tail: int


def build(draft: Draft) -> None:
    """Draw a torso, then a head, a tail and legs on it."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-0.5, 0.5),
        yaw_spread=u(0.1, 0.5),
        pitch=u(0, 0.35),
        turn_chance=0.25 if draft.chance(0.4) else 0,
    )
    coat = draft.texture(draft.main_colour)
    half, depth, width = u(0.37, 0.55), u(0.17, 0.34), u(0.1, 0.2)
    root = f.bone(-1, (0, 0, 0), (0, 0, 0.05))
    front = f.bone(root, (half * 0.3, 0, 0), (0.05, 0.15, 0.1))
    chest = f.blob(front, (half * 0.62, -0.01, 0), (half * 0.5, depth * u(0.5, 0.62), width * 1.05), coat)
    rump = f.blob(root, (-half * 0.68, 0, 0), (half * 0.42, depth * u(0.42, 0.6), width), coat)
    f.limb(rump, chest, depth * 0.46, depth * 0.5, coat, bulge=u(-0.03, 0.05))
    withers = f.keypoint(f.point(front, (half * 0.62, depth * 0.5, 0)))
    tail = f.keypoint(f.point(root, (-half * 1.02, depth * 0.2, 0)))
    body = _Body(root, front, half, depth, width, u(0.035, 0.085), coat, withers, tail)
    f.link(withers, tail)
    _head(draft, body)
    _tail(draft, body)
    _legs(draft, body)
    if draft.chance(0.3):
        f.link(withers, f.keypoint(f.point(root, (0, -depth * 0.5, 0))))


def _head(draft: Draft, body: _Body) -> None:
    f, u, coat = draft.figure, draft.u, body.coat
    dark, muzzle = draft.plain((24, 20, 20)), draft.texture() if draft.chance(0.5) else body.coat
    neck_at = vec(body.half * 0.95, body.depth * 0.2, 0)
    rise, length = u(0.1, 1.2), u(0.15, 0.6)
    head_at = neck_at + length * vec(np.cos(rise), np.sin(rise), 0)
    neck = f.bone(body.front, neck_at, (0.15, 0.3, 0.3))
    head = f.bone(neck, head_at, (0.2, 0.35, 0.3))
    skull = u(0.09, 0.15)
    neck_ends = f.point(body.front, neck_at), f.point(neck, head_at)
    f.limb(*neck_ends, body.depth * u(0.3, 0.42), skull * 0.75, coat)
    centre = f.blob(head, head_at, (skull * 1.15, skull, skull * 0.9), coat, lift=0.02)
    drop = u(-0.9, -0.1)
    way = vec(np.cos(drop), np.sin(drop), 0)
    snout = skull * u(0.35, 0.6)
    nose_at = head_at + skull * u(0.9, 2.2) * way
    nose = f.point(head, nose_at)
    f.limb(centre, nose, skull * 0.7, snout, muzzle, lift=0.03)
    f.blob(head, nose_at + snout * 0.6 * way, (snout * 0.45,) * 3, dark, lift=0.05)
    ears = _ears(draft, head, head_at, skull, coat)
    spot = skull * u(0.13, 0.2)
    eyes = []
    for side in (1, -1):
        at = head_at + vec(skull * 0.45, skull * 0.28, side * skull * 0.88)
        eyes.append(f.spot(head, at, (spot, spot), dark, side=side, anchor=centre, lift=0.08))
    nose_key, eye_keys, ear_keys = f.keypoint(nose), f.keys(eyes), f.keys(ears)
    neck_key = f.keypoint(f.point(neck, neck_at))
    for ear, eye in zip(ear_keys, eye_keys, strict=True):
        f.link(ear, eye, nose_key)
    f.link(*eye_keys)
    f.link(nose_key, neck_key, body.withers)


def _ears(draft: Draft, head: int, at: Array, skull: float, coat: int) -> list[int]:
    """Returns the points of the two tips."""
    f, u = draft.figure, draft.u
    height, width = skull * u(0.6, 1.8), skull * u(0.3, 0.6)
    texture = draft.texture() if draft.chance(0.4) else coat
    upright = -1 if draft.chance(0.3) else 1
    tips = []
    for side in (1, -1):
        base = at + vec(-skull * 0.4, skull * 0.7, side * skull * 0.6)
        tip = base + vec(-height * 0.3, upright * height, side * height * 0.4)
        bulge = (base + tip) / 2 + vec(width * 0.6, 0, 0)
        p = f.row(head, (base - vec(0.7 * width, 0, 0), tip, bulge, base + vec(0.7 * width, 0, 0)))
        f.plate(p, texture, smooth=True, lift=0.03 if side > 0 else -0.02)
        tips.append(p[1])
    return tips


def _tail(draft: Draft, body: _Body) -> None:
    f, u = draft.figure, draft.u
    segments = int(draft.rng.integers(1, 4))
    step, angle, curl = u(0.1, 0.8) / segments, u(2.2, 4.4), u(-0.7, 0.7)
    texture = draft.texture() if draft.chance(0.3) else body.coat
    bone, at = body.root, vec(-body.half * 1.02, body.depth * 0.2, 0)
    previous, key = f.keypoints[body.tail], body.tail
    for s in range(segments):
        bone = f.bone(bone, at, (0.3, 0.3, 0.35), "tail")
        at = at + step * vec(np.cos(angle), np.sin(angle), 0)
        angle += curl
        point = f.point(bone, at)
        f.limb(previous, point, body.thick * (0.8 - 0.15 * s), body.thick * (0.65 - 0.15 * s), texture)
        following = f.keypoint(point)
        f.link(key, following)
        previous, key = point, following


def _legs(draft: Draft, body: _Body) -> None:
    f, u, thick = draft.figure, draft.u, body.thick
    shin = draft.texture(draft.main_colour)
    feet = draft.texture() if draft.chance(0.5) else shin
    leg = u(0.3, 0.85)
    for end, x, carrier, start in (
        ("front", body.half * 0.72, body.front, body.withers),
        ("hind", -body.half * 0.78, body.root, body.tail),
    ):
        bend = u(0.05, 0.14) * (-1 if end == "hind" else 1)
        for side in (1, -1):
            hip = vec(x, -body.depth * 0.15, side * body.width * 0.75)
            knee = hip + vec(bend, -leg * 0.42 - body.depth * 0.2, 0)
            ankle = knee + vec(-bend * 1.4, -leg * 0.36, 0)
            toe = ankle + vec(thick * 1.5, -leg * 0.12, 0)
            b1 = f.bone(carrier, hip, (0.08, 0, 0.42), f"{end}1")
            b2 = f.bone(b1, knee, (0, 0, 0.42), f"{end}2")
            b3 = f.bone(b2, ankle, (0, 0, 0.25), f"{end}3")
            p = [f.point(b1, hip), f.point(b2, knee), *f.row(b3, (ankle, toe))]
            f.limb(p[0], p[1], thick * 2, thick * 1.15, body.coat, bulge=thick * 0.3)
            f.limb(p[1], p[2], thick * 1.1, thick * 0.75, shin)
            f.limb(p[2], p[3], thick * 0.8, thick * 0.85, feet)
            f.link(start, *f.keys(p))
