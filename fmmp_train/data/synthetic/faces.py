# SPDX-License-Identifier: Apache-2.0
"""Faces of people and animals, and hands."""

from __future__ import annotations

import numpy as np

from fmmp_train.data.synthetic.draft import Draft
from fmmp_train.data.synthetic.figure import Figure, View
from fmmp_train.data.synthetic.textures import Array


def _every(count: int, wanted: int) -> list[int]:
    """`wanted` of `count` places along a line, ends included."""
    if wanted <= 1:
        return [count // 2] * wanted
    return sorted({round(i * (count - 1) / (wanted - 1)) for i in range(wanted)})


def _chain(figure: Figure, points: list[int], wanted: int, closed: bool = False) -> list[int]:
    chosen = _every(len(points), wanted) if not closed else [i * len(points) // wanted for i in range(wanted)]
    keys = [figure.keypoint(points[i]) for i in chosen]
    figure.link(*keys)
    if closed and len(keys) > 2:
        figure.link(keys[-1], keys[0])
    return keys


def face(draft: Draft) -> None:
    """A face from its front, with as few as five or as many as 68 keypoints."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=0, yaw_spread=u(0.1, 0.45), pitch=0, pitch_spread=u(0.08, 0.25), roll_spread=u(0.05, 0.3)
    )
    animal, f.boxed = draft.chance(0.4), draft.chance(0.8)
    skin = draft.texture(draft.main_colour if animal else np.array([190, 145, 118]) * u(0.4, 1.25))
    hair, lips, white = draft.texture(), draft.plain((168, 84, 80)), draft.plain((232, 229, 222))
    iris, dark = draft.plain(rng.uniform(30, 150, 3)), draft.plain((18, 16, 18))
    brow_colour = hair if draft.chance(0.7) else dark
    w, h = u(0.34, 0.46), u(0.42, 0.6)
    root = f.bone(-1, (0, 0, 0))
    jaw_bone = f.bone(root, (0, -h * 0.2, 0), (0.12, 0, 0.03), "jaw")

    # Hair and ears behind, neck and shoulders sometimes.
    if draft.chance(0.6):
        neck = f.point(root, (0, -h * 1.5, -0.2))
        f.limb(f.point(root, (0, -h * 0.5, -0.15)), neck, w * 0.55, w * 0.6, skin, lift=-0.3)
        f.blob(root, (0, -h * 1.75, -0.25), (w * 1.7, h * 0.5, 0.2), draft.texture(), lift=-0.25)
    if draft.chance(0.8):
        f.blob(root, (0, h * u(0.15, 0.4), -0.15), (w * u(1.0, 1.25), h * u(0.85, 1.1), 0.3), hair, lift=-0.2)
    ear_tips = []
    for side in (1, -1):
        if animal:
            base, tip = (
                np.array([side * w * 0.6, h * 0.6, -0.1]),
                np.array([side * w * u(0.7, 1.2), h * u(0.9, 1.7), -0.1]),
            )
            out = np.array([side * w * 0.3, -h * 0.15, 0])
            ear_bone = f.bone(root, tuple(base), (0.1, 0.1, 0.2), "ear")
            p = [
                f.point(ear_bone, tuple(q))
                for q in (base - out, (base + tip) / 2 - out * 0.6, tip, (base + tip) / 2 + out, base + out)
            ]
            f.plate(p, hair if draft.chance(0.5) else skin, smooth=True, lift=-0.1)
            inner = [
                f.point(ear_bone, tuple(q))
                for q in (
                    (base + tip) / 2 - out * 0.2,
                    tip * 0.8 + base * 0.2,
                    (base + tip) / 2 + out * 0.6,
                    base + out * 0.3,
                )
            ]
            f.plate(inner, lips, smooth=True, lift=-0.08)
            ear_tips.append(f.keypoint(p[2]))
        else:
            ear = f.blob(root, (side * w * 1.0, h * 0.02, -0.1), (w * 0.13, h * 0.17, 0.08), skin, lift=-0.1)
            if draft.chance(0.3):
                ear_tips.append(f.keypoint(ear))

    # Outline: jaw from the left ear round the chin to the right one, then the forehead.
    square, chin = u(1.8, 3.2), u(0.9, 1.1)
    angles = np.linspace(0, -np.pi, 17)
    jaw = []
    for t in angles:
        c, s = np.cos(t), np.sin(t)
        x = np.sign(c) * abs(c) ** (2 / square) * w
        jaw.append(f.point(root, (x, h * chin * s if s < -0.01 else 0.0, -0.12 + 0.1 * abs(s))))
    forehead = [
        f.point(root, (w * 0.98 * np.cos(t), h * 0.85 * np.sin(t), -0.12))
        for t in np.linspace(np.pi, 0, 9)[1:-1]
    ]
    centre = f.point(root, (0, 0, 0))
    f.plate(jaw + forehead, skin, anchor=centre, smooth=True)
    if not animal and draft.chance(0.7):  # hair over the forehead
        line = u(0.45, 0.7)
        part = [
            f.point(root, (w * 1.02 * np.cos(t), h * 0.9 * np.sin(t), -0.08))
            for t in np.linspace(0.35, np.pi - 0.35, 9)
        ]
        part += [f.point(root, (x * w, h * (line + u(-0.06, 0.06)), 0.02)) for x in (-0.55, 0, 0.55)]
        f.plate(part, hair, anchor=centre, lift=0.02, smooth=True)

    eye_y, eye_x, eye_w, eye_h = h * u(0.08, 0.25), w * u(0.36, 0.5), w * u(0.14, 0.23), u(0.02, 0.05)
    round_eyes = animal or draft.chance(0.1)
    num_eye, num_brow = int(rng.choice([1, 2, 4, 6])), int(rng.choice([0, 2, 3, 5]))
    inner_eyes = []
    for side in (1, -1):
        ring = (
            np.linspace(0, 2 * np.pi, 12, endpoint=False)
            if side > 0
            else np.linspace(np.pi, -np.pi, 12, endpoint=False)
        )
        tall = eye_w * 0.9 if round_eyes else eye_h
        lids = [
            f.point(
                root,
                (
                    side * eye_x + eye_w * np.cos(t),
                    eye_y + tall * np.sin(t) + side * 0.008 * np.cos(t),
                    0.04 + 0.02 * abs(np.sin(t)),
                ),
            )
            for t in ring
        ]
        f.plate(lids, white, anchor=centre, lift=0.05, smooth=True)
        pupil_size = tall * 0.95 if not round_eyes else eye_w * 0.75
        look = f.bone(root, (side * eye_x, eye_y, -0.1), (0.06, 0.12, 0), "look")
        at = (side * eye_x, eye_y, 0.07)
        f.disc(look, at, (pupil_size, 0, 0), (0, pupil_size, 0), iris, anchor=centre, lift=0.06)
        pupil = f.disc(
            look, at, (pupil_size * 0.5, 0, 0), (0, pupil_size * 0.5, 0), dark, anchor=centre, lift=0.07
        )
        f.stroke(lids[0:7], 0.012, dark, anchor=centre, lift=0.08)
        keys = [f.keypoint(pupil)] if num_eye == 1 else _chain(f, lids, num_eye, closed=True)
        inner_eyes.append(keys[0])
        if ear_tips and len(ear_tips) > (side < 0):
            f.link(keys[0], ear_tips[int(side < 0)])
        if not animal or draft.chance(0.3):
            lift_bone = f.bone(root, (side * eye_x, eye_y, 0), (0.02, 0, 0.12), "brow")
            arch, above = u(0.01, 0.05), eye_h + u(0.04, 0.1)
            xs = np.linspace(-1.3, 1.3, 5)
            brow = [
                f.point(lift_bone, (side * eye_x + eye_w * x, eye_y + above + arch * (1 - x * x / 1.7), 0.05))
                for x in xs
            ]
            f.stroke(brow, u(0.015, 0.045), brow_colour, anchor=centre, lift=0.06)
            if num_brow:
                f.link(keys[0], _chain(f, brow, num_brow)[0])
    f.link(*inner_eyes)

    nose_y, nose_w, nose_out = -h * u(0.1, 0.25), w * u(0.14, 0.24), u(0.1, 0.22)
    bridge = [
        f.point(root, (0, eye_y + (nose_y - eye_y) * t, 0.06 + nose_out * t)) for t in np.linspace(0, 1, 4)
    ]
    base = [
        f.point(root, (nose_w * x, nose_y - 0.03 - 0.015 * (1 - x * x), 0.06 + nose_out * 0.5 * (1 - x * x)))
        for x in (-1, -0.5, 0, 0.5, 1)
    ]
    if animal:
        muzzle_w, muzzle = w * u(0.4, 0.7), draft.texture() if draft.chance(0.6) else skin
        f.blob(root, (0, nose_y - 0.06, 0.1), (muzzle_w, h * u(0.25, 0.4), 0.15), muzzle, lift=0.0)
        f.blob(root, (0, nose_y + 0.02, 0.1 + nose_out), (nose_w * 1.1, nose_w * 0.7, 0.05), dark, lift=0.02)
    else:
        f.limb(bridge[0], bridge[3], nose_w * 0.4, nose_w * 0.75, skin, lift=0.05)
        for x in (-1, 1):
            f.blob(
                root,
                (x * nose_w * 0.75, nose_y - 0.01, 0.1),
                (nose_w * 0.35, nose_w * 0.35, 0.05),
                skin,
                lift=0.05,
            )
            f.disc(
                root,
                (x * nose_w * 0.45, nose_y - 0.035, 0.1),
                (nose_w * 0.2, 0, 0),
                (0, nose_w * 0.1, 0),
                dark,
                anchor=centre,
                lift=0.3,
            )
    num_nose = int(rng.choice([1, 3, 9]))
    if num_nose == 1:
        nose_keys = [f.keypoint(bridge[3])]
    else:
        nose_keys = _chain(f, bridge, 1 if num_nose == 3 else 4)
        under = _chain(f, base, 2 if num_nose == 3 else 5)
        f.link(nose_keys[-1], under[len(under) // 2])
    f.link(nose_keys[0], inner_eyes[0])
    f.link(nose_keys[0], inner_eyes[1])

    mouth_y, mouth_w, lip = -h * u(0.42, 0.58), w * u(0.26, 0.5), u(0.025, 0.055)
    mouth_z = 0.2 if animal else 0.06
    open_by, smile = (u(0.02, 0.08) if draft.chance(0.4) else 0.006), u(-0.3, 0.6)
    rings = []
    for size, tall in ((1.0, lip + open_by), (0.82, open_by)):
        ring = []
        for t in np.linspace(np.pi, -np.pi, 12 if size == 1 else 8, endpoint=False):
            x, y = np.cos(t) * mouth_w * size, np.sin(t) * tall
            y += smile * 0.06 * (x / mouth_w) ** 2
            ring.append(
                f.point(
                    jaw_bone if np.sin(t) < -0.1 else root, (x, mouth_y + y, mouth_z + 0.03 * np.sin(t) ** 2)
                )
            )
        rings.append(ring)
    f.plate(rings[0], skin if animal else lips, anchor=centre, lift=0.12 if animal else 0.05, smooth=True)
    f.plate(
        rings[1],
        dark if draft.chance(0.6) else white,
        anchor=centre,
        lift=0.14 if animal else 0.06,
        smooth=True,
    )
    num_mouth = int(rng.choice([1, 2, 4, 12, 20]))
    if num_mouth == 1:
        mouth_keys = [f.keypoint(f.point(root, (0, mouth_y, mouth_z)))]
    else:
        mouth_keys = _chain(f, rings[0], min(num_mouth, 12), closed=True)
        if num_mouth == 20:
            f.link(mouth_keys[0], _chain(f, rings[1], 8, closed=True)[0])
    f.link(nose_keys[-1], mouth_keys[len(mouth_keys) // 4])
    num_jaw = int(rng.choice([0, 1, 5, 9, 17, 17]))
    if num_jaw == 1:
        f.link(mouth_keys[-1], f.keypoint(jaw[8]))
    elif num_jaw:
        jaw_keys = _chain(f, jaw, num_jaw)
        f.link(jaw_keys[num_jaw // 2], mouth_keys[-1])
    if draft.chance(0.25):
        f.link(inner_eyes[0], f.keypoint(forehead[3]))
    if not animal and draft.chance(0.2):  # glasses
        for side in (1, -1):
            at = (side * eye_x, eye_y, 0.1)
            frame = [
                f.point(root, (at[0] + eye_w * 1.5 * np.cos(t), eye_y + eye_w * 1.2 * np.sin(t), 0.1))
                for t in np.linspace(0, 2 * np.pi, 13)
            ]
            f.stroke(frame, 0.014, dark, anchor=centre, lift=0.3)
        f.stroke(
            [f.point(root, (x * (eye_x - eye_w * 1.5), eye_y, 0.12)) for x in (-1, 1)],
            0.014,
            dark,
            anchor=centre,
            lift=0.3,
        )


def hand(draft: Draft) -> None:
    """A hand, paw or claw: a palm and three to six fingers that bend."""
    f, u, rng = draft.figure, draft.u, draft.rng
    yaw, f.boxed = 0.0 if draft.chance(0.6) else np.pi, draft.chance(0.6)
    f.view = View(
        yaw=yaw, yaw_spread=u(0.1, 0.6), pitch=u(-0.3, 0.3), pitch_spread=u(0.1, 0.4), roll_spread=u(0.1, 0.9)
    )
    skin = draft.texture(np.array([200, 152, 126]) * u(0.35, 1.2) if draft.chance(0.7) else None)
    nail, sleeve = draft.plain((226, 190, 176)), draft.texture()
    count = int(rng.choice([3, 4, 5, 5, 5, 5, 6]))
    width, length, thick = u(0.26, 0.4), u(0.34, 0.5), u(0.038, 0.06)
    root = f.bone(-1, (0, 0, 0))
    wrist = f.point(root, (0, 0, 0))
    arm = f.point(root, (u(-0.05, 0.05), -u(0.2, 0.5), 0))
    f.limb(wrist, arm, width * 0.33, width * 0.36, skin, lift=-0.03)
    if draft.chance(0.5):
        f.limb(f.point(root, (0, -0.14, 0)), arm, width * 0.42, width * 0.5, sleeve, lift=-0.02)
    wrist_key = f.keypoint(wrist)
    bases: list[Array] = []
    if count >= 4:
        bases.append(np.array([-width * 0.5, length * 0.28, 0.02]))
    others = count - len(bases)
    for i in range(others):
        part = i / max(others - 1, 1)
        bases.append(np.array([width * (-0.42 + 0.84 * part), length * (1 - 0.12 * abs(part - 0.4) * 2), 0]))
    palm_at = [
        (-width * 0.3, -0.02, 0),
        *(tuple(b) for b in bases),
        (width * 0.5, length * 0.4, 0),
        (width * 0.3, -0.02, 0),
    ]
    f.plate([f.point(root, q) for q in palm_at], skin, anchor=wrist, smooth=True)
    finger = u(0.3, 0.5)
    curl = u(0.2, 0.8)
    knuckles = []
    for i, base in enumerate(bases):
        thumb = count >= 4 and i == 0
        way = np.array([-0.75, 0.66, 0.1]) if thumb else np.array([(base[0] / width) * u(0.3, 0.6), 1.0, 0])
        way /= np.linalg.norm(way)
        reach = finger * (0.75 if thumb else 1 - 0.35 * abs((i - 1) / max(count - 2, 1) - 0.45))
        p0 = f.point(root, tuple(base))
        f.limb(wrist, p0, width * 0.24, thick * 1.15, skin, lift=0.005)
        bone, at, previous = root, base, p0
        keys = [f.keypoint(p0)]
        knuckles.append(keys[0])
        for s, part in enumerate((0.45, 0.3, 0.25)):
            swing = (curl * 0.9, 0.05, 0.12) if s == 0 else (curl * 0.8, 0, 0.02)
            bone = f.bone(bone, tuple(at), swing, f"finger{s}" if not thumb else f"thumb{s}")
            at = at + way * reach * part + (0, 0, 0.012 * s)
            point = f.point(bone, tuple(at))
            f.limb(
                previous,
                point,
                thick * (1.1 - 0.13 * s),
                thick * (0.97 - 0.13 * s),
                skin,
                lift=0.01 * s + 0.02,
            )
            keys.append(f.keypoint(point))
            previous = point
        f.disc(
            bone,
            tuple(at + (0, 0, -thick * 0.7)),
            (thick * 0.45, 0, 0),
            (0, -thick * 0.6, 0),
            nail,
            anchor=previous,
            lift=0.1,
        )
        f.link(wrist_key, *keys)
    if draft.chance(0.3):
        f.link(*knuckles)
