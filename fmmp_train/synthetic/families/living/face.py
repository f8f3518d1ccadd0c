# SPDX-License-Identifier: Apache-2.0
"""Faces of people and animals from their front, with as few as five or as many as 68 keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.families.living.contours import key_chain
from fmmp_train.synthetic.figure import Point, View, vec


@dataclass(frozen=True)
class _Face:
    """What the parts of one face share."""

    animal: bool
    root: int  # bone
    centre: int  # point: all features are painted in its order
    w: float  # half width
    h: float  # half height
    eye_x: float
    eye_y: float
    skin: int  # textures
    hair: int
    lips: int
    white: int
    dark: int


def build(draft: Draft) -> None:
    """Draw what lies behind the face, its outline, then the features."""
    f, u = draft.figure, draft.u
    f.view = View(yaw_spread=u(0.1, 0.45), pitch_spread=u(0.08, 0.25), roll_spread=u(0.05, 0.3))
    animal, f.boxed = draft.chance(0.4), draft.chance(0.8)
    w, h = u(0.34, 0.46), u(0.42, 0.6)
    root = f.bone(-1, (0, 0, 0))
    face = _Face(
        animal=animal,
        root=root,
        centre=f.point(root, (0, 0, 0)),
        w=w,
        h=h,
        eye_x=w * u(0.36, 0.5),
        eye_y=h * u(0.08, 0.25),
        skin=draft.texture(draft.main_colour) if animal else draft.skin(vec(200, 152, 126) * u(0.4, 1.2)),
        hair=draft.texture(),
        lips=draft.plain((168, 84, 80)),
        white=draft.plain((232, 229, 222)),
        dark=draft.plain((18, 16, 18)),
    )
    _behind(draft, face)
    ears = _animal_ears(draft, face) if animal else _ears(draft, face)
    jaw, forehead = _outline(draft, face)
    eyes = _eyes(draft, face)
    for ear, eye in zip(ears, eyes, strict=False):
        f.link(ear, eye)
    f.link(*eyes)
    nose = _nose(draft, face)
    for eye in eyes:
        f.link(nose[0], eye)
    mouth = _mouth(draft, face)
    f.link(nose[-1], mouth[len(mouth) // 4])
    num_jaw = int(draft.rng.choice([0, 1, 5, 9, 17, 17]))
    if num_jaw:
        chin = key_chain(f, jaw, num_jaw)
        f.link(chin[num_jaw // 2], mouth[-1])
    if draft.chance(0.25):
        f.link(eyes[0], f.keypoint(forehead))
    if not animal and draft.chance(0.2):
        _glasses(draft, face)


def _behind(draft: Draft, face: _Face) -> None:
    """Neck and shoulders, and the hair around the head."""
    f, u, w, h = draft.figure, draft.u, face.w, face.h
    if draft.chance(0.6):
        throat, neck = f.row(face.root, ((0, -h * 0.5, -0.15), (0, -h * 1.5, -0.2)))
        f.limb(throat, neck, w * 0.55, w * 0.6, face.skin, lift=-0.3)
        f.blob(face.root, (0, -h * 1.75, -0.25), (w * 1.7, h * 0.5, 0.2), draft.texture(), lift=-0.25)
    if draft.chance(0.8):
        axes = (w * u(1.0, 1.25), h * u(0.85, 1.1), 0.3)
        f.blob(face.root, (0, h * u(0.15, 0.4), -0.15), axes, face.hair, lift=-0.2)


def _ears(draft: Draft, face: _Face) -> list[int]:
    """Returns two keypoints or none."""
    f, w, h = draft.figure, face.w, face.h
    places = [(side * w, h * 0.02, -0.1) for side in (1, -1)]
    ears = [f.blob(face.root, at, (w * 0.13, h * 0.17, 0.08), face.skin, lift=-0.1) for at in places]
    return f.keys(ears) if draft.chance(0.3) else []


def _animal_ears(draft: Draft, face: _Face) -> list[int]:
    """Returns the keypoints of the tips."""
    f, u, w, h = draft.figure, draft.u, face.w, face.h
    texture = face.hair if draft.chance(0.5) else face.skin
    tip_x, tip_y = w * u(0.7, 1.2), h * u(0.9, 1.7)
    tips = []
    for side in (1, -1):
        base, tip = vec(side * w * 0.6, h * 0.6, -0.1), vec(side * tip_x, tip_y, -0.1)
        out, middle = vec(side * w * 0.3, -h * 0.15, 0), (base + tip) / 2
        bone = f.bone(face.root, base, (0.1, 0.1, 0.2), "ear")
        p = f.row(bone, (base - out, middle - 0.6 * out, tip, middle + out, base + out))
        f.plate(p, texture, smooth=True, lift=-0.1)
        inner = (middle - 0.2 * out, 0.8 * tip + 0.2 * base, middle + 0.6 * out, base + 0.3 * out)
        f.plate(f.row(bone, inner), face.lips, smooth=True, lift=-0.08)
        tips.append(p[2])
    return f.keys(tips)


def _outline(draft: Draft, face: _Face) -> tuple[list[int], int]:
    """Skin round the chin and over the forehead; returns the jaw's 17 points and the forehead's top."""
    f, u, w, h = draft.figure, draft.u, face.w, face.h
    square, chin = u(1.8, 3.2), u(0.9, 1.1)
    places = []
    for t in np.linspace(0, -np.pi, 17):
        x = np.sign(np.cos(t)) * abs(np.cos(t)) ** (2 / square) * w
        places.append((x, min(h * chin * np.sin(t), 0), -0.12 + 0.1 * abs(np.sin(t))))
    jaw = f.row(face.root, places)
    forehead = f.row(face.root, _arc(w * 0.98, h * 0.85, np.linspace(np.pi, 0, 9)[1:-1], -0.12))
    f.plate(jaw + forehead, face.skin, anchor=face.centre, smooth=True)
    if not face.animal and draft.chance(0.7):  # hair over the forehead
        line = u(0.45, 0.7)
        fringe = _arc(w * 1.02, h * 0.9, np.linspace(0.35, np.pi - 0.35, 9), -0.08)
        fringe += [(x * w, h * (line + u(-0.06, 0.06)), 0.02) for x in (-0.55, 0, 0.55)]
        f.plate(f.row(face.root, fringe), face.hair, anchor=face.centre, lift=0.02, smooth=True)
    return jaw, forehead[3]


def _arc(rx: float, ry: float, angles: np.ndarray, z: float) -> list[Point]:
    return [(rx * np.cos(t), ry * np.sin(t), z) for t in angles]


def _eyes(draft: Draft, face: _Face) -> list[int]:
    """Eyes, lids and brows; returns a keypoint of each eye."""
    f, u, rng = draft.figure, draft.u, draft.rng
    wide, narrow = face.w * u(0.14, 0.23), u(0.02, 0.05)
    tall = wide * 0.9 if face.animal or draft.chance(0.1) else narrow
    iris, pupil = draft.plain(rng.uniform(30, 150, 3)), min(tall * 0.95, wide * 0.75)
    num_lid, num_brow = int(rng.choice([1, 2, 4, 6])), int(rng.choice([0, 2, 3, 5]))
    browed = not face.animal or draft.chance(0.3)
    brow_texture = face.hair if draft.chance(0.7) else face.dark
    arch, above, thick = u(0.01, 0.05), narrow + u(0.04, 0.1), u(0.015, 0.045)
    first = []
    for side in (1, -1):
        x, y = side * face.eye_x, face.eye_y
        lids = []
        for t in np.linspace(0, 2 * np.pi, 12, endpoint=False):  # from the outer corner, over the top
            c, s = np.cos(t), np.sin(t)
            lids.append((x + side * wide * c, y + tall * s + 0.008 * c, 0.04 + 0.02 * abs(s)))
        rim = f.row(face.root, lids)
        f.plate(rim, face.white, anchor=face.centre, lift=0.05, smooth=True)
        look = f.bone(face.root, (x, y, -0.1), (0.06, 0.12, 0), "look")
        f.spot(look, (x, y, 0.07), (pupil, pupil), iris, anchor=face.centre, lift=0.06)
        middle = f.spot(look, (x, y, 0.07), (pupil / 2, pupil / 2), face.dark, anchor=face.centre, lift=0.07)
        f.stroke(rim[:7], 0.012, face.dark, anchor=face.centre, lift=0.08)
        keys = [f.keypoint(middle)] if num_lid == 1 else key_chain(f, rim, num_lid, closed=True)
        first.append(keys[0])
        if browed:
            bone = f.bone(face.root, (x, y, 0), (0.02, 0, 0.12), "brow")
            places = [
                (x + side * wide * t, y + above + arch * (1 - t * t / 1.7), 0.05)
                for t in (-1.3, -0.65, 0, 0.65, 1.3)
            ]
            brow = f.row(bone, places)
            f.stroke(brow, thick, brow_texture, anchor=face.centre, lift=0.06)
            if num_brow:
                f.link(keys[0], key_chain(f, brow, num_brow)[0])
    return first


def _nose(draft: Draft, face: _Face) -> list[int]:
    """Returns its keypoints, from the bridge to the tip."""
    f, u, root = draft.figure, draft.u, face.root
    y, w, out = -face.h * u(0.1, 0.25), face.w * u(0.14, 0.24), u(0.1, 0.22)
    ridge = f.row(root, [(0, face.eye_y + (y - face.eye_y) * t / 3, 0.06 + out * t / 3) for t in range(4)])
    rounds = [(x, 1 - x * x) for x in (-1, -0.5, 0, 0.5, 1)]
    base = f.row(root, [(w * x, y - 0.03 - 0.015 * r, 0.06 + out * 0.5 * r) for x, r in rounds])
    if face.animal:
        muzzle = draft.texture() if draft.chance(0.6) else face.skin
        f.blob(root, (0, y - 0.06, 0.1), (face.w * u(0.4, 0.7), face.h * u(0.25, 0.4), 0.15), muzzle)
        f.blob(root, (0, y + 0.02, 0.1 + out), (w * 1.1, w * 0.7, 0.05), face.dark, lift=0.02)
    else:
        f.limb(ridge[0], ridge[3], w * 0.4, w * 0.75, face.skin, lift=0.05)
        for x in (-1, 1):
            f.blob(root, (x * w * 0.75, y - 0.01, 0.1), (w * 0.35, w * 0.35, 0.05), face.skin, lift=0.05)
            nostril = (x * w * 0.45, y - 0.035, 0.1)
            f.spot(root, nostril, (w * 0.2, w * 0.1), face.dark, anchor=face.centre, lift=0.3)
    count = int(draft.rng.choice([1, 3, 9]))
    if count == 1:
        return [f.keypoint(ridge[3])]
    keys = key_chain(f, ridge, 4) if count == 9 else [f.keypoint(ridge[3])]
    under = key_chain(f, base, 5 if count == 9 else 2)
    f.link(keys[-1], under[len(under) // 2])
    return keys


def _mouth(draft: Draft, face: _Face) -> list[int]:
    """Returns its keypoints, along the upper lip first."""
    f, u = draft.figure, draft.u
    y, wide, lip = -face.h * u(0.42, 0.58), face.w * u(0.26, 0.5), u(0.025, 0.055)
    z, lift = (0.2, 0.12) if face.animal else (0.06, 0.05)
    gap, smile = u(0.02, 0.08) if draft.chance(0.4) else 0.006, u(-0.02, 0.04)
    jaw = f.bone(face.root, (0, -face.h * 0.2, 0), (0.12, 0, 0.03))
    rings = []
    for width, height, count in ((wide, lip + gap, 12), (wide * 0.82, gap, 8)):
        ring = []
        for t in np.linspace(np.pi, -np.pi, count, endpoint=False):
            c, s = np.cos(t), np.sin(t)
            at = (c * width, y + s * height + smile * c * c, z + 0.03 * s * s)
            ring.append(f.point(jaw if s < -0.1 else face.root, at))
        rings.append(ring)
    lips = face.skin if face.animal else face.lips
    f.plate(rings[0], lips, anchor=face.centre, lift=lift, smooth=True)
    inside = face.dark if draft.chance(0.6) else face.white
    f.plate(rings[1], inside, anchor=face.centre, lift=lift + 0.02, smooth=True)
    count = int(draft.rng.choice([1, 2, 4, 12, 20]))
    if count == 1:
        return [f.keypoint(f.point(face.root, (0, y, z)))]
    keys = key_chain(f, rings[0], min(count, 12), closed=True)
    if count == 20:
        f.link(keys[0], key_chain(f, rings[1], 8, closed=True)[0])
    return keys


def _glasses(draft: Draft, face: _Face) -> None:
    f, r = draft.figure, face.w * 0.28
    for side in (1, -1):
        rim = [
            (side * face.eye_x + r * np.cos(t), face.eye_y + r * 0.8 * np.sin(t), 0.1)
            for t in np.linspace(0, 6.3, 13)
        ]
        f.stroke(f.row(face.root, rim), 0.014, face.dark, anchor=face.centre, lift=0.3)
    bridge = f.row(face.root, [(x * (face.eye_x - r), face.eye_y, 0.12) for x in (-1, 1)])
    f.stroke(bridge, 0.014, face.dark, anchor=face.centre, lift=0.3)
