# SPDX-License-Identifier: Apache-2.0
"""Figures with joints: four-legged animals, people, insects and spiders, birds, arbitrary trees of limbs."""

from __future__ import annotations

import numpy as np

from fmmp_train.data.synthetic.draft import Draft
from fmmp_train.data.synthetic.figure import View


def quadruped(draft: Draft) -> None:
    """A four-legged animal seen from its side, head towards +x; z points to its right side."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-0.5, 0.5),
        yaw_spread=u(0.1, 0.5),
        pitch=u(0, 0.35),
        turn_chance=0.25 if draft.chance(0.4) else 0,
    )
    coat, limb, dark = (
        draft.texture(draft.main_colour),
        draft.texture(draft.main_colour),
        draft.plain((24, 20, 20)),
    )
    feet = draft.texture() if draft.chance(0.5) else limb
    muzzle = draft.texture() if draft.chance(0.5) else coat
    length, depth, width = u(0.75, 1.1), u(0.17, 0.34), u(0.1, 0.2)
    leg, thick = u(0.3, 0.85), u(0.035, 0.085)
    half = length / 2

    root = f.bone(-1, (0, 0, 0), (0, 0, 0.05))
    front = f.bone(root, (half * 0.3, 0, 0), (0.05, 0.15, 0.1))
    chest = f.blob(front, (half * 0.62, -0.01, 0), (half * 0.5, depth * u(0.5, 0.62), width * 1.05), coat)
    rump = f.blob(root, (-half * 0.68, 0, 0), (half * 0.42, depth * u(0.42, 0.6), width), coat)
    middle = f.point(root, (0, 0, 0))
    f.limb(rump, chest, depth * 0.46, depth * 0.5, coat, bulge=u(-0.03, 0.05))
    withers = f.point(front, (half * 0.62, depth * 0.5, 0))
    tail_root = f.point(root, (-half * 1.02, depth * 0.2, 0))

    neck_angle, neck_length = u(0.1, 1.2), u(0.15, 0.6)
    neck_at = np.array([half * 0.95, depth * 0.2, 0])
    head_at = neck_at + neck_length * np.array([np.cos(neck_angle), np.sin(neck_angle), 0])
    neck = f.bone(front, tuple(neck_at), (0.15, 0.3, 0.3))
    head = f.bone(neck, tuple(head_at), (0.2, 0.35, 0.3))
    skull = u(0.09, 0.15)
    f.limb(
        f.point(front, tuple(neck_at)),
        f.point(neck, tuple(head_at)),
        depth * u(0.3, 0.42),
        skull * 0.75,
        coat,
    )
    centre = f.blob(head, tuple(head_at), (skull * 1.15, skull, skull * 0.9), coat, lift=0.02)
    drop = u(-0.9, -0.1)
    snout_length, snout = skull * u(0.9, 2.2), skull * u(0.35, 0.6)
    nose_at = head_at + snout_length * np.array([np.cos(drop), np.sin(drop), 0])
    nose = f.point(head, tuple(nose_at))
    f.limb(centre, nose, skull * 0.7, snout, muzzle, lift=0.03)
    f.blob(
        head,
        tuple(nose_at + snout * 0.6 * np.array([np.cos(drop), np.sin(drop), 0])),
        (snout * 0.45,) * 3,
        dark,
        lift=0.05,
    )
    ear_height, ear_width = skull * u(0.6, 1.8), skull * u(0.3, 0.6)
    ears, eyes = [], []
    ear_coat = draft.texture() if draft.chance(0.4) else coat
    floppy = -1 if draft.chance(0.3) else 1
    for side in (1, -1):
        base = head_at + (-skull * 0.4, skull * 0.7, side * skull * 0.6)
        tip = base + (-ear_height * 0.3, floppy * ear_height, side * ear_height * 0.4)
        corners = [f.point(head, tuple(base + (s * ear_width, 0, 0))) for s in (-0.7, 0.7)]
        tip_point = f.point(head, tuple(tip))
        belly = f.point(head, tuple((base + tip) / 2 + (ear_width * 0.6, 0, 0)))
        f.plate(
            [corners[0], tip_point, belly, corners[1]],
            ear_coat,
            smooth=True,
            lift=0.03 if side > 0 else -0.02,
        )
        ears.append(f.keypoint(tip_point))
        eye_at = head_at + (skull * 0.45, skull * 0.28, side * skull * 0.88)
        spot = skull * u(0.13, 0.2)
        eye = f.disc(head, tuple(eye_at), (spot, 0, 0), (0, side * spot, 0), dark, anchor=centre, lift=0.08)
        eyes.append(f.keypoint(eye))
    nose_key, withers_key, tail_key = f.keypoint(nose), f.keypoint(withers), f.keypoint(tail_root)
    neck_key = f.keypoint(f.point(neck, tuple(neck_at)))
    for ear, eye in zip(ears, eyes, strict=True):
        f.link(ear, eye, nose_key)
    f.link(eyes[0], eyes[1])
    f.link(nose_key, neck_key, withers_key, tail_key)

    tail_length, segments = u(0.1, 0.8), int(draft.rng.integers(1, 4))
    tail_angle, curl = u(2.2, 4.4), u(-0.7, 0.7)
    bone, at, previous, key = root, np.array([-half * 1.02, depth * 0.2, 0]), tail_root, tail_key
    tail_texture = draft.texture() if draft.chance(0.3) else coat
    for s in range(segments):
        bone = f.bone(bone, tuple(at), (0.3, 0.3, 0.35), "tail")
        at = at + tail_length / segments * np.array([np.cos(tail_angle), np.sin(tail_angle), 0])
        tail_angle += curl
        point = f.point(bone, tuple(at))
        f.limb(previous, point, thick * (0.8 - 0.15 * s), thick * (0.65 - 0.15 * s), tail_texture)
        following = f.keypoint(point)
        f.link(key, following)
        previous, key = point, following

    for end, x, joint_swing in (("front", half * 0.72, 0.4), ("hind", -half * 0.78, 0.45)):
        bend = u(0.05, 0.14) * (-1 if end == "hind" else 1)
        carrier = front if end == "front" else root
        for side in (1, -1):
            hip = np.array([x, -depth * 0.15, side * width * 0.75])
            knee = hip + (bend, -leg * 0.42 - depth * 0.2, 0)
            ankle = knee + (-bend * 1.4, -leg * 0.36, 0)
            toe = ankle + (thick * 1.5, -leg * 0.12, 0)
            b1 = f.bone(carrier, tuple(hip), (0.08, 0, joint_swing), f"{end}1")
            b2 = f.bone(b1, tuple(knee), (0, 0, joint_swing), f"{end}2")
            b3 = f.bone(b2, tuple(ankle), (0, 0, 0.25), f"{end}3")
            p = [
                f.point(b1, tuple(hip)),
                f.point(b2, tuple(knee)),
                f.point(b3, tuple(ankle)),
                f.point(b3, tuple(toe)),
            ]
            f.limb(p[0], p[1], thick * 2, thick * 1.15, coat, bulge=thick * 0.3)
            f.limb(p[1], p[2], thick * 1.1, thick * 0.75, limb)
            f.limb(p[2], p[3], thick * 0.8, thick * 0.85, feet)
            keys = [f.keypoint(i) for i in p]
            f.link(withers_key if end == "front" else tail_key, *keys)
    if draft.chance(0.3):
        belly = f.keypoint(f.point(root, (0, -depth * 0.5, 0)))
        f.link(withers_key, belly)
    f.point(root, (0, 0, 0))
    del middle


def person(draft: Draft) -> None:
    """A two-legged figure facing the viewer; x is its left."""
    f, u = draft.figure, draft.u
    f.view = View(yaw=u(-0.5, 0.5), yaw_spread=u(0.2, 0.7), pitch=u(-0.05, 0.3), roll_spread=0.15)
    skin, shirt, trousers, hair = draft.texture(), draft.texture(), draft.texture(), draft.texture()
    sleeves = shirt if draft.chance(0.5) else skin
    shoes, dark, white = draft.texture(), draft.plain((26, 22, 22)), draft.plain((235, 233, 228))
    shoulder, hip, torso = u(0.17, 0.27), u(0.1, 0.18), u(0.42, 0.62)
    arm, leg, thick = u(0.5, 0.75), u(0.5, 0.95), u(0.04, 0.075)
    wild = u(0.35, 1.0)

    root = f.bone(-1, (0, 0, 0), (0.15, 0.2, 0.12))
    chest = f.bone(root, (0, torso * 0.4, 0), (0.15, 0.25, 0.15))
    thickness = u(0.08, 0.13)
    pelvis = f.blob(root, (0, 0.02, 0), (hip * 1.1, 0.12, thickness), trousers)
    belly = f.point(root, (0, torso * 0.15, 0))
    breast = f.blob(
        chest, (0, torso * 0.72, 0), (shoulder * 0.95, torso * 0.34, thickness * 1.1), shirt, lift=0.01
    )
    f.limb(belly, f.point(chest, (0, torso * 0.75, 0)), hip * 1.02, shoulder * 0.85, shirt)
    neck_at, head_size = (0, torso * 1.02, 0), u(0.1, 0.15)
    neck = f.bone(chest, neck_at, (0.15, 0.25, 0.12))
    head_at = (0, torso * 1.02 + head_size * 1.5, 0.02)
    head = f.bone(neck, (0, torso * 1.02 + head_size * 0.6, 0), (0.2, 0.45, 0.15))
    f.limb(f.point(chest, neck_at), f.point(head, head_at), thick * 1.05, thick * 1.05, skin)
    skull = f.blob(
        head, head_at, (head_size * u(0.75, 0.9), head_size * 1.1, head_size * 0.9), skin, lift=0.03
    )
    hx, hy, hz = head_at
    f.blob(
        head,
        (hx, hy + head_size * 0.3, hz - head_size * 0.35),
        (head_size * 0.92, head_size * 0.95, head_size * 0.75),
        hair,
        lift=0.0,
    )
    front = head_size * 0.86
    eyes = []
    for side in (1, -1):
        at = (side * head_size * 0.36, hy + head_size * 0.12, hz + front)
        f.disc(head, at, (head_size * 0.17, 0, 0), (0, head_size * 0.1, 0), white, anchor=skull, lift=0.1)
        eyes.append(
            f.keypoint(
                f.disc(
                    head,
                    at,
                    (head_size * 0.09, 0, 0),
                    (0, head_size * 0.09, 0),
                    dark,
                    anchor=skull,
                    lift=0.11,
                )
            )
        )
    nose = f.keypoint(
        f.blob(
            head,
            (0, hy - head_size * 0.12, hz + head_size),
            (head_size * 0.14, head_size * 0.22, head_size * 0.15),
            skin,
            lift=0.12,
        )
    )
    lips = draft.plain((150, 70, 66))
    f.disc(
        head,
        (0, hy - head_size * 0.5, hz + front * 0.9),
        (head_size * 0.28, 0, 0),
        (0, head_size * 0.07, 0),
        lips,
        anchor=skull,
        lift=0.1,
    )
    ears = []
    for side in (1, -1):
        ear = f.blob(
            head,
            (side * head_size * 0.84, hy, hz),
            (head_size * 0.12, head_size * 0.24, head_size * 0.15),
            skin,
            lift=0.02,
        )
        ears.append(f.keypoint(ear))
    top = f.keypoint(f.point(head, (0, hy + head_size * 1.1, hz)))
    neck_key = f.keypoint(f.point(chest, neck_at))
    f.link(nose, eyes[0], ears[0])
    f.link(nose, eyes[1], ears[1])
    f.link(top, neck_key)
    f.link(nose, neck_key)
    hips, shoulders = [], []
    for side in (1, -1):
        at = np.array([side * shoulder, torso * 0.95, 0])
        lean = u(0.1, 0.2)
        elbow = at + (side * arm * lean, -arm * 0.46, 0)
        wrist = elbow + (side * arm * lean * 0.5, -arm * 0.44, 0.04)
        b1 = f.bone(chest, tuple(at), (wild, 0.2, wild), "arm1")
        b2 = f.bone(b1, tuple(elbow), (wild, 0.3, wild * 0.8), "arm2")
        p = [f.point(b1, tuple(at)), f.point(b2, tuple(elbow)), f.point(b2, tuple(wrist))]
        f.limb(p[0], p[1], thick * 1.25, thick * 0.95, shirt, lift=0.02)
        f.limb(p[1], p[2], thick * 0.95, thick * 0.65, sleeves, lift=0.03)
        f.blob(b2, tuple(wrist + (0, -thick, 0)), (thick * 0.9, thick * 1.2, thick * 0.7), skin, lift=0.035)
        keys = [f.keypoint(i) for i in p]
        f.link(neck_key, *keys)
        shoulders.append(keys[0])
        at = np.array([side * hip * 0.7, -0.03, 0])
        knee = at + (side * 0.02, -leg * 0.5, 0.01)
        ankle = knee + (0, -leg * 0.48, -0.02)
        b1 = f.bone(root, tuple(at), (wild * 0.7, 0.1, wild * 0.35), "leg1")
        b2 = f.bone(b1, tuple(knee), (wild * 0.6, 0, 0.1), "leg2")
        p = [f.point(b1, tuple(at)), f.point(b2, tuple(knee)), f.point(b2, tuple(ankle))]
        f.limb(p[0], p[1], thick * 1.75, thick * 1.2, trousers, bulge=0.01)
        f.limb(p[1], p[2], thick * 1.2, thick * 0.75, trousers)
        toe = f.point(b2, tuple(ankle + (side * 0.01, -0.035, 0.1)))
        f.limb(p[2], toe, thick * 0.8, thick * 0.7, shoes, lift=0.02)
        keys = [f.keypoint(i) for i in p]
        f.link(keys[0], keys[1], keys[2], f.keypoint(toe))
        hips.append(keys[0])
    f.link(hips[0], hips[1])
    f.link(shoulders[0], hips[0])
    f.link(shoulders[1], hips[1])
    del pelvis, breast


def insect(draft: Draft) -> None:
    """An insect or spider from above, head towards +y."""
    f, u = draft.figure, draft.u
    f.view = View(yaw=0, yaw_spread=u(0.05, 0.5), pitch=0, pitch_spread=u(0.05, 0.4), roll_spread=u(0.1, 0.8))
    shell, legs = draft.texture(draft.main_colour), draft.texture()
    rear = draft.texture() if draft.chance(0.6) else shell
    dark = draft.plain((20, 18, 22))
    width = u(0.07, 0.17)
    segments = int(draft.rng.integers(2, 6))
    sizes = np.exp(draft.rng.normal(0, 0.25, segments))
    lengths = sizes / sizes.sum() * u(0.8, 1.3)
    root = f.bone(-1, (0, 0, 0))
    bone, y, keys, carriers = root, 0.5, [], []
    for s in range(segments):
        middle = y - lengths[s] / 2
        if s:
            bone = f.bone(bone, (0, y, 0), (0.1, 0.1, 0.18))
        w = width * sizes[s] ** 0.5 * (0.75 if s == 0 else 1)
        texture = shell if s < segments / 2 else rear
        f.blob(bone, (0, middle, 0), (w, lengths[s] * 0.55, w * 0.8), texture, lift=0.02 * (segments - s))
        carriers.append((bone, middle, w))
        if s == 0:
            keys.append(f.keypoint(f.point(bone, (0, y, 0))))
        y -= lengths[s]
        keys.append(f.keypoint(f.point(bone, (0, y, 0))))
    f.link(*keys)
    head, head_y, head_w = carriers[0]
    for side in (1, -1):
        eye = f.blob(
            head,
            (side * head_w * 0.75, head_y + head_w * 0.3, head_w * 0.3),
            (head_w * 0.3,) * 3,
            dark,
            lift=0.2,
        )
        eye_key = f.keypoint(eye)
        f.link(keys[0], eye_key)
        if draft.chance(0.7):
            base = (side * head_w * 0.4, head_y + lengths[0] * 0.5, 0)
            feeler = f.bone(head, base, (0.1, 0.1, 0.3), "feeler")
            reach = width * 2.2
            knee = f.point(feeler, (side * reach * 0.6, base[1] + reach * 0.7, 0.05))
            tip = f.point(feeler, (side * reach, base[1] + reach * 1.3, 0.02))
            f.stroke([f.point(feeler, base), knee, tip], 0.015, legs)
            tip_key = f.keypoint(tip)
            f.link(eye_key, tip_key)
    pairs = int(draft.rng.choice([2, 3, 3, 4]))
    reach, thick = u(0.3, 0.75), u(0.012, 0.035)
    thorax, thorax_y, thorax_w = carriers[min(1, segments - 1)]
    for i in range(pairs):
        angle = np.linspace(0.7, -0.8, pairs)[i] + u(-0.1, 0.1)
        for side in (1, -1):
            at = np.array(
                [side * thorax_w * 0.8, thorax_y + np.sin(angle) * lengths[min(1, segments - 1)] * 0.35, 0]
            )
            way = np.array([side * np.cos(angle), np.sin(angle), 0])
            knee = at + reach * 0.5 * way + (0, 0, 0.12)
            foot = knee + reach * 0.55 * (way + (0, 0.35 * np.sin(angle), -0.3))
            b1 = f.bone(thorax, tuple(at), (0.15, 0.1, 0.25), f"leg{i}a")
            b2 = f.bone(b1, tuple(knee), (0.15, 0.1, 0.35), f"leg{i}b")
            p = [f.point(b1, tuple(at)), f.point(b2, tuple(knee)), f.point(b2, tuple(foot))]
            f.limb(p[0], p[1], thick * 1.2, thick, legs, lift=-0.1)
            f.limb(p[1], p[2], thick, thick * 0.5, legs, lift=-0.1)
            leg_keys = [f.keypoint(i) for i in p[1:]]
            f.link(keys[min(2, len(keys) - 1)], *leg_keys)
    if draft.chance(0.5):
        wing = draft.texture()
        span, fold = u(0.5, 0.95), u(-0.9, 0.5)
        for side in (1, -1):
            at = np.array([side * thorax_w * 0.4, thorax_y + 0.05, 0.08])
            b = f.bone(thorax, tuple(at), (0.05, 0.1, 0.25), "wing")
            way = np.array([side * np.cos(fold), np.sin(fold), 0])
            across = np.array([side * np.sin(fold), -np.cos(fold), 0])
            corners = [
                at,
                at + span * 0.75 * way - span * 0.06 * across,
                at + span * way + span * 0.1 * across,
            ]
            corners.append(at + span * 0.55 * way + span * 0.36 * across)
            p = [f.point(b, tuple(c)) for c in corners]
            f.plate(p, wing, smooth=True, lift=0.12)
            f.stroke([p[0], p[2]], 0.008, legs, lift=0.3)
            f.stroke([p[0], p[3]], 0.006, legs, lift=0.3)
            wing_keys = [f.keypoint(i) for i in (p[1], p[2], p[3])]
            f.link(keys[1], *wing_keys)


def tree(draft: Draft) -> None:
    """Limbs and bodies in an arbitrary arrangement, with or without mirror symmetry."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=u(-0.4, 0.4),
        yaw_spread=u(0.1, 0.6),
        pitch=u(-0.3, 0.3),
        pitch_spread=0.2,
        roll_spread=u(0.05, 0.4),
    )
    palette = [draft.texture() for _ in range(int(rng.integers(3, 7)))]
    marks = [draft.plain(rng.uniform(10, 245, 3)) for _ in range(2)]
    symmetric = draft.chance(0.6)
    swing = u(0.05, 0.35)
    root = f.bone(-1, (0, 0, 0))
    body = f.blob(root, (0, 0, 0), (u(0.12, 0.35), u(0.15, 0.4), u(0.1, 0.25)), palette[0])
    open_ends = [(root, np.zeros(3), f.keypoint(body), u(0.05, 0.12))]
    target = int(rng.integers(5, 40))
    while len(f.keypoints) < target and open_ends:
        bone, at, key, thick = open_ends.pop(int(rng.integers(len(open_ends))))
        for _ in range(int(rng.integers(1, 4))):
            way = rng.normal(0, 1, 3) * (1, 1, 0.4)
            way /= np.linalg.norm(way)
            length = u(0.15, 0.55)
            texture = palette[rng.integers(len(palette))]
            radius, bulge = thick * u(0.6, 1.1), thick * u(-0.2, 0.6)
            sides = (1, -1) if symmetric and abs(way[0]) > 0.25 and abs(at[0]) < 1e-6 else (1,)
            kind = rng.integers(4)
            name = f"g{len(f.keypoints)}"
            for side in sides:
                end = at + length * way * (side, 1, 1)
                b = f.bone(bone, tuple(at), (swing, swing, swing), name)
                p0, p1 = f.point(b, tuple(at)), f.point(b, tuple(end))
                f.limb(p0, p1, thick, radius, texture, bulge=bulge)
                if kind == 0:
                    f.blob(b, tuple(end), (radius * 1.8, radius * 1.8, radius * 1.5), texture, lift=0.02)
                elif kind == 1:
                    f.disc(
                        b,
                        tuple(end + (0, 0, radius)),
                        (radius * 0.6, 0, 0),
                        (0, radius * 0.6, 0),
                        marks[0],
                        lift=0.1,
                    )
                new = f.keypoint(p1)
                f.link(key, new)
                open_ends.append((b, end, new, radius))
    for i in range(int(rng.integers(0, 5))):  # spots on the body
        spot = rng.uniform(-0.1, 0.1, 2)
        size = u(0.015, 0.05)
        disc = f.disc(
            root,
            (spot[0], spot[1], 0.2),
            (size, 0, 0),
            (0, size * u(0.5, 1.5), 0),
            marks[i % 2],
            anchor=body,
            lift=0.15,
        )
        f.link(0, f.keypoint(disc))
