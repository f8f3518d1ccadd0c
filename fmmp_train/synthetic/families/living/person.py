# SPDX-License-Identifier: Apache-2.0
"""Two-legged figures facing the viewer; x is their left."""

from __future__ import annotations

from typing import NamedTuple

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import View, vec


class _Body(NamedTuple):
    root: int  # bones
    chest: int
    shoulder: float  # half widths
    hip: float
    torso: float
    thick: float  # of a limb
    wild: float  # how freely it moves
    skin: int  # textures
    shirt: int
    trousers: int


def build(draft: Draft) -> None:
    """Draw a torso, then a head, arms and legs on it."""
    f, u = draft.figure, draft.u
    f.view = View(yaw=u(-0.5, 0.5), yaw_spread=u(0.2, 0.7), pitch=u(-0.05, 0.3), roll_spread=0.15)
    skin = draft.skin(vec(200, 152, 126) * u(0.35, 1.2)) if draft.chance(0.6) else draft.skin()
    shirt, trousers = draft.texture(), draft.texture()
    shoulder, hip, torso = u(0.17, 0.27), u(0.1, 0.18), u(0.42, 0.62)
    root = f.bone(-1, (0, 0, 0), (0.15, 0.2, 0.12))
    chest = f.bone(root, (0, torso * 0.4, 0), (0.15, 0.25, 0.15))
    flat = u(0.08, 0.13)
    f.blob(root, (0, 0.02, 0), (hip * 1.1, 0.12, flat), trousers)
    f.blob(chest, (0, torso * 0.72, 0), (shoulder * 0.95, torso * 0.34, flat * 1.1), shirt, lift=0.01)
    belly, breast = f.point(root, (0, torso * 0.15, 0)), f.point(chest, (0, torso * 0.75, 0))
    f.limb(belly, breast, hip * 1.02, shoulder * 0.85, shirt)
    body = _Body(root, chest, shoulder, hip, torso, u(0.04, 0.075), u(0.35, 1.0), skin, shirt, trousers)
    neck = _head(draft, body)
    shoulders, hips = _arms(draft, body, neck), _legs(draft, body)
    f.link(*hips)
    for upper, lower in zip(shoulders, hips, strict=True):
        f.link(upper, lower)


def _head(draft: Draft, body: _Body) -> int:
    """Returns the neck's keypoint."""
    f, u = draft.figure, draft.u
    hair, dark, white = draft.texture(), draft.plain((26, 22, 22)), draft.plain((235, 233, 228))
    lips = draft.plain((150, 70, 66))
    size = u(0.1, 0.15)
    neck_y = body.torso * 1.02
    x, y, z = at = (0.0, neck_y + size * 1.5, 0.02)
    neck = f.bone(body.chest, (0, neck_y, 0), (0.15, 0.25, 0.12))
    head = f.bone(neck, (0, neck_y + size * 0.6, 0), (0.2, 0.45, 0.15))
    throat = f.point(body.chest, (0, neck_y, 0))
    f.limb(throat, f.point(head, at), body.thick * 1.05, body.thick * 1.05, body.skin)
    skull = f.blob(head, at, (size * u(0.75, 0.9), size * 1.1, size * 0.9), body.skin, lift=0.03)
    f.blob(head, (x, y + size * 0.3, z - size * 0.35), (size * 0.92, size * 0.95, size * 0.75), hair)
    front = z + size * 0.86
    eyes, ears = [], []
    for side in (1, -1):
        eye_at = (side * size * 0.36, y + size * 0.12, front)
        f.spot(head, eye_at, (size * 0.17, size * 0.1), white, anchor=skull, lift=0.1)
        eyes.append(f.spot(head, eye_at, (size * 0.09, size * 0.09), dark, anchor=skull, lift=0.11))
        ear_at = (side * size * 0.84, y, z)
        ears.append(f.blob(head, ear_at, (size * 0.12, size * 0.24, size * 0.15), body.skin, lift=0.02))
    nose_axes = (size * 0.14, size * 0.22, size * 0.15)
    nose = f.keypoint(f.blob(head, (0, y - size * 0.12, z + size), nose_axes, body.skin, lift=0.12))
    mouth_at = (0, y - size * 0.5, z + size * 0.77)
    f.spot(head, mouth_at, (size * 0.28, size * 0.07), lips, anchor=skull, lift=0.1)
    top, neck_key = f.keypoint(f.point(head, (0, y + size * 1.1, z))), f.keypoint(throat)
    for eye, ear in zip(f.keys(eyes), f.keys(ears), strict=True):
        f.link(nose, eye, ear)
    f.link(top, neck_key, nose)
    return neck_key


def _arms(draft: Draft, body: _Body, neck: int) -> list[int]:
    """Returns the shoulders' keypoints."""
    f, u, thick, wild = draft.figure, draft.u, body.thick, body.wild
    sleeves = body.shirt if draft.chance(0.5) else body.skin
    arm, lean = u(0.5, 0.75), u(0.1, 0.2)
    shoulders = []
    for side in (1, -1):
        at = vec(side * body.shoulder, body.torso * 0.95, 0)
        elbow = at + vec(side * arm * lean, -arm * 0.46, 0)
        wrist = elbow + vec(side * arm * lean * 0.5, -arm * 0.44, 0.04)
        b1 = f.bone(body.chest, at, (wild, 0.2, wild), "arm1")
        b2 = f.bone(b1, elbow, (wild, 0.3, wild * 0.8), "arm2")
        p = [f.point(b1, at), *f.row(b2, (elbow, wrist))]
        f.limb(p[0], p[1], thick * 1.25, thick * 0.95, body.shirt, lift=0.02)
        f.limb(p[1], p[2], thick * 0.95, thick * 0.65, sleeves, lift=0.03)
        hand = (thick * 0.9, thick * 1.2, thick * 0.7)
        f.blob(b2, wrist - vec(0, thick, 0), hand, body.skin, lift=0.035)
        keys = f.keys(p)
        f.link(neck, *keys)
        shoulders.append(keys[0])
    return shoulders


def _legs(draft: Draft, body: _Body) -> list[int]:
    """Returns the hips' keypoints."""
    f, u, thick, wild = draft.figure, draft.u, body.thick, body.wild
    shoes, leg = draft.texture(), u(0.5, 0.95)
    hips = []
    for side in (1, -1):
        at = vec(side * body.hip * 0.7, -0.03, 0)
        knee = at + vec(side * 0.02, -leg * 0.5, 0.01)
        ankle = knee + vec(0, -leg * 0.48, -0.02)
        b1 = f.bone(body.root, at, (wild * 0.7, 0.1, wild * 0.35), "leg1")
        b2 = f.bone(b1, knee, (wild * 0.6, 0, 0.1), "leg2")
        p = [f.point(b1, at), *f.row(b2, (knee, ankle, ankle + vec(side * 0.01, -0.035, 0.1)))]
        f.limb(p[0], p[1], thick * 1.75, thick * 1.2, body.trousers, bulge=0.01)
        f.limb(p[1], p[2], thick * 1.2, thick * 0.75, body.trousers)
        f.limb(p[2], p[3], thick * 0.8, thick * 0.7, shoes, lift=0.02)
        keys = f.keys(p)
        f.link(*keys)
        hips.append(keys[0])
    return hips
