# SPDX-License-Identifier: Apache-2.0
"""Flat and turned things: clothes, leaves and wings with veins, grids, bottles, fish, birds."""

from __future__ import annotations

import numpy as np

from fmmp_train.data.synthetic.draft import Draft
from fmmp_train.data.synthetic.figure import View
from fmmp_train.data.synthetic.textures import Array


def _along(points: Array, count: int) -> Array:
    """`count` points equally far apart on a polyline (n, 2), ends included."""
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    where = np.linspace(0, steps[-1], count)
    return np.stack([np.interp(where, steps, points[:, i]) for i in (0, 1)], 1)


def clothes(draft: Draft) -> None:
    """A shirt, coat, dress, skirt or trousers laid out or hung; mirror-symmetric."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=0, yaw_spread=u(0.05, 0.45), pitch=0, pitch_spread=u(0.05, 0.3), roll_spread=u(0.05, 0.35)
    )
    cloth, trim, mark = draft.texture(), draft.texture(), draft.texture()
    root = f.bone(-1, (0, 0, 0))
    kind = rng.integers(3)
    if kind == 0:  # from the collar to the hem
        neck, shoulder, waist, hem, length = (
            u(0.07, 0.13),
            u(0.2, 0.3),
            u(0.16, 0.3),
            u(0.2, 0.45),
            u(0.55, 1.1),
        )
        half = np.array(
            [
                [0.0, -u(0.02, 0.14)],
                [neck, 0],
                [shoulder, -0.07],
                [waist * 1.05, -0.25],
                [waist, -length * 0.55],
                [hem, -length],
                [0, -length],
            ]
        )
    elif kind == 1:  # skirt
        waist, hem, length = u(0.15, 0.3), u(0.25, 0.5), u(0.4, 0.9)
        half = np.array(
            [
                [0.0, -0.01],
                [waist, 0],
                [(waist + hem) / 2 * u(0.95, 1.15), -length * 0.5],
                [hem, -length],
                [0, -length * u(0.98, 1.05)],
            ]
        )
    else:  # trousers
        waist, hip, length, gap = u(0.17, 0.25), u(0.22, 0.3), u(0.4, 1.0), u(0.01, 0.1)
        half = np.array(
            [[0.0, 0], [waist, 0], [hip, -0.2], [hip + u(-0.06, 0.08), -length], [gap, -length], [0, -0.3]]
        )
    half = half * (1, 1)
    right = [f.point(root, (x, y, 0.02 * np.sin(5 * y))) for x, y in half]
    left = [
        f.point(root, (-x, y, 0.02 * np.sin(5 * y))) if x > 1e-9 else right[i]
        for i, (x, y) in enumerate(half)
    ]
    middle = f.point(root, (0, float(half[:, 1].min()) / 2, 0))
    f.plate(right + left[1:-1][::-1], cloth, anchor=middle, smooth=draft.chance(0.3))
    shared = [f.keypoint(right[0])]
    sides: list[list[int]] = []
    for points in (right, left):
        sides.append([shared[0], *(f.keypoint(p) for p in points[1:-1])])
    bottom = f.keypoint(right[-1])
    for keys in sides:
        f.link(*keys, bottom)
    if kind == 0 and draft.chance(0.8):  # sleeves
        reach, wide, drop = u(0.15, 0.6), u(0.07, 0.12), u(0.1, 1.2)
        for side, keys in ((1, sides[0]), (-1, sides[1])):
            at = np.array([half[2, 0] * 0.97, half[2, 1] - 0.02])
            bone = f.bone(root, (side * at[0], at[1], 0), (0.1, 0.2, 0.25), "sleeve")
            way = np.array([np.cos(drop), -np.sin(drop)])
            across = np.array([-way[1], way[0]]) * wide
            quad = [
                at + across * 0.2 - way * 0.03,
                at + way * reach + across * 0.5,
                at + way * reach - across * 0.5,
                half[3] * (0.97, 1),
            ]
            p = [f.point(bone, (side * x, y, 0.01)) for x, y in quad]
            f.plate(p, cloth, anchor=middle, lift=-0.05)
            cuffs = [f.keypoint(i) for i in p[1:3]]
            f.link(keys[2], *cuffs, keys[3])
            if draft.chance(0.7):
                f.stroke(p[1:3], 0.03, trim, anchor=middle, lift=-0.02)
    if draft.chance(0.6):  # collar or belt, and what runs down the front
        f.stroke([left[1], right[0], right[1]], u(0.015, 0.04), trim, anchor=middle, lift=0.03)
    if draft.chance(0.6):
        low, high = float(half[-1, 1]) * 0.95, float(half[0, 1])
        line = [f.point(root, (0, y, 0.02)) for y in np.linspace(high, low, 6)]
        f.stroke(line, 0.008, trim, anchor=middle, lift=0.03)
        if kind == 0 and draft.chance(0.7):
            for p in line[1:5]:
                f.disc(root, tuple(f.points[p]), (0.014, 0, 0), (0, 0.014, 0), mark, anchor=middle, lift=0.06)
                f.link(shared[0], f.keypoint(p))
    for _ in range(int(rng.integers(0, 3))):  # pockets, one on each side
        x, y, size = u(0.05, 0.15), u(-0.45, -0.15), u(0.03, 0.06)
        for side in (1, -1):
            p = [
                f.point(root, (side * (x + a * size), y + b * size, 0.03))
                for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            f.plate(p, mark, anchor=middle, lift=0.04)
            f.link(sides[int(side < 0)][1], f.keypoint(p[0]), f.keypoint(p[2]))
    if draft.chance(0.4):
        size = u(0.05, 0.12)
        print_ = f.disc(
            root, (0, -0.28, 0.02), (size, 0, 0), (0, size * u(0.5, 1.2), 0), mark, anchor=middle, lift=0.04
        )
        f.link(shared[0], f.keypoint(print_))


def leaf(draft: Draft) -> None:
    """A leaf, petal or insect's wing: an outline and a net of veins with keypoints where they meet."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=0, yaw_spread=u(0.05, 0.4), pitch=0, pitch_spread=u(0.05, 0.4), roll_spread=u(0.05, 1.2)
    )
    blade, vein = draft.texture(), draft.texture()
    root = f.bone(-1, (0, 0, 0))
    angles = np.linspace(-np.pi, np.pi, 25)[:-1]
    wide, lobes, depth = u(0.2, 0.55), int(rng.integers(1, 8)), u(0, 0.25)
    skew = u(-0.12, 0.12)
    radius = 1 + depth * np.cos(lobes * angles)
    xs = 0.5 * np.cos(angles) * radius
    ys = wide * np.sin(angles) * radius * (1 - u(-0.3, 0.5) * np.cos(angles)) + skew * np.cos(2 * angles)
    bend = u(-0.3, 0.3)
    ys = ys + bend * xs**2
    rim = [f.point(root, (x, y, 0.05 * np.sin(4 * x))) for x, y in zip(xs, ys, strict=True)]
    middle = f.point(root, (0, 0, 0))
    f.plate(rim, blade, anchor=middle, smooth=True)
    if draft.chance(0.7):
        f.stroke([*rim, rim[0]], u(0.006, 0.02), vein, anchor=middle, lift=0.02)
    num_stem = int(rng.integers(3, 7))
    stem_x = np.linspace(-0.5 * radius[0], 0.42, num_stem)
    stem = [f.point(root, (x, skew * 0.5 + bend * x * x, 0.05 * np.sin(4 * x))) for x in stem_x]
    f.stroke(stem, u(0.008, 0.022), vein, anchor=middle, lift=0.03)
    stem_keys = [f.keypoint(p) for p in stem]
    f.link(*stem_keys)
    for i in range(num_stem - 1):
        for side in (1, -1):
            if draft.chance(0.15):
                continue
            reach = np.clip(12 + side * (11 - 10 * (i + 1) / num_stem), 0, 23)
            end = rim[int(reach)]
            a, b = np.array(f.points[stem[i]]), np.array(f.points[end])
            half = a + (b - a) * u(0.4, 0.7) + (u(-0.03, 0.03), u(-0.02, 0.02), 0)
            joint = f.point(root, tuple(half))
            f.stroke([stem[i], joint, end], u(0.004, 0.014), vein, anchor=middle, lift=0.03)
            keys = [f.keypoint(joint)] if draft.chance(0.6) else []
            f.link(stem_keys[i], *keys, f.keypoint(end))
            if keys and i + 1 < num_stem and draft.chance(0.6):
                f.stroke([joint, stem[i + 1]], 0.006, vein, anchor=middle, lift=0.03)
                f.link(keys[0], stem_keys[i + 1])
    for _ in range(int(rng.integers(0, 4))):
        size = u(0.015, 0.06)
        spot = f.disc(
            root,
            (u(-0.3, 0.3), u(-0.1, 0.1), 0.03),
            (size, 0, 0),
            (0, size, 0),
            draft.texture(),
            anchor=middle,
            lift=0.02,
        )
        f.link(stem_keys[num_stem // 2], f.keypoint(spot))


def grid(draft: Draft) -> None:
    """A lattice of cells: a window, board, keyboard, quilt, fence or shelf; keypoints where lines cross."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=u(-0.4, 0.4),
        yaw_spread=u(0.1, 0.5),
        pitch=u(-0.3, 0.3),
        pitch_spread=0.25,
        roll_spread=u(0.05, 0.4),
    )
    rows, columns = (int(v) for v in rng.integers(2, 7, 2))
    textures = [draft.texture() for _ in range(int(rng.integers(2, 5)))]
    line, frame = draft.texture(), draft.texture()
    w, h = u(0.5, 1), u(0.5, 1)
    xs, ys = (np.cumsum(np.r_[0, np.exp(rng.normal(0, 0.25, n))]) for n in (columns, rows))
    xs, ys = (xs / xs[-1] - 0.5) * w, (ys / ys[-1] - 0.5) * h
    curve = u(-0.25, 0.25)
    root = f.bone(-1, (0, 0, 0))
    host = f.point(root, (0, 0, 0))
    border = u(0.02, 0.08)
    outer = [
        f.point(root, (x, y, curve * x * x - 0.01))
        for x, y in (
            (xs[0] - border, ys[0] - border),
            (xs[-1] + border, ys[0] - border),
            (xs[-1] + border, ys[-1] + border),
            (xs[0] - border, ys[-1] + border),
        )
    ]
    f.plate(outer, frame, anchor=host)
    net = [[f.point(root, (x, y, curve * x * x)) for x in xs] for y in ys]
    pick = rng.integers(len(textures), size=(rows, columns))
    for i in range(rows):
        for j in range(columns):
            f.plate(
                [net[i][j], net[i][j + 1], net[i + 1][j + 1], net[i + 1][j]],
                textures[pick[i, j]],
                anchor=host,
                lift=0.01,
            )
    if draft.chance(0.7):
        width = u(0.008, 0.035)
        for row in net:
            f.stroke(row, width, line, anchor=host, lift=0.02)
        for j in range(columns + 1):
            f.stroke([row[j] for row in net], width, line, anchor=host, lift=0.02)
    keys = [[f.keypoint(p) for p in row] for row in net]
    for row in keys:
        f.link(*row)
    for j in range(columns + 1):
        f.link(*(row[j] for row in keys))


def bottle(draft: Draft) -> None:
    """Something turned about an upright axis: bottle, vase, lamp, cup, chessman; perhaps with a handle."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(yaw=0, yaw_spread=0.1, pitch=u(0, 0.2), pitch_spread=0.1, roll_spread=u(0.03, 0.4))
    body, cap, label = draft.texture(), draft.texture(), draft.texture()
    levels = int(rng.integers(3, 9))
    ys = np.cumsum(np.r_[0, rng.uniform(0.3, 1, levels - 1)])
    ys = ys / ys[-1] - 0.5
    radii = np.exp(rng.normal(0, 0.55, levels)) * u(0.08, 0.2)
    radii = radii.clip(0.03, 0.4)
    if draft.chance(0.6):  # a bottle narrows to its mouth
        radii = np.sort(radii)[::-1].copy()
    root = f.bone(-1, (0, 0, 0))
    host = f.point(root, (0, 0, 0))
    right = [f.point(root, (r, y, 0)) for r, y in zip(radii, ys, strict=True)]
    left = [f.point(root, (-r, y, 0)) for r, y in zip(radii, ys, strict=True)]
    bands = int(rng.integers(1, 4))
    for i in range(levels - 1):  # bands of its own colour at the top, at a label, at the foot
        texture = (
            cap
            if i == levels - 2 and draft.chance(0.6)
            else label
            if bands > 1 and draft.chance(0.35)
            else body
        )
        middle = f.point(root, (0, (ys[i] + ys[i + 1]) / 2, 0))
        a, b = f.point(root, (0, ys[i], 0)), f.point(root, (0, ys[i + 1], 0))
        f.tube(a, b, float(radii[i]), float(radii[i + 1]), texture, anchor=host, lift=0.001 * i)
        del middle
    mouth = f.disc(
        root,
        (0, ys[-1], 0),
        (radii[-1], 0, 0),
        (0, 0, -radii[-1]),
        draft.plain((40, 36, 34)),
        anchor=host,
        lift=0.02,
    )
    keys = [(f.keypoint(p), f.keypoint(q)) for p, q in zip(left, right, strict=True)]
    f.link(*(k for k, _ in keys))
    f.link(*(k for _, k in keys))
    f.link(*keys[0])
    f.link(*keys[-1])
    if draft.chance(0.3):
        f.link(keys[-1][0], f.keypoint(mouth))
    if draft.chance(0.5):
        size = float(radii[levels // 2]) * u(0.3, 0.6)
        logo = f.disc(
            root,
            (0, ys[levels // 2], radii[levels // 2]),
            (size, 0, 0),
            (0, size * u(0.4, 1), 0),
            label,
            anchor=host,
            lift=0.1,
        )
        f.link(keys[levels // 2][0], f.keypoint(logo))
    if draft.chance(0.35):
        lo, hi = sorted(rng.choice(levels, 2, replace=False).tolist())
        out = float(radii.max()) + u(0.08, 0.2)
        grip = [
            right[lo],
            f.point(root, (out, ys[lo] + 0.03, 0)),
            f.point(root, (out, ys[hi] - 0.03, 0)),
            right[hi],
        ]
        for a, b in zip(grip[:-1], grip[1:], strict=True):
            f.limb(a, b, 0.022, 0.022, cap, lift=-0.05)
        f.link(keys[lo][1], f.keypoint(grip[1]), f.keypoint(grip[2]), keys[hi][1])


def fish(draft: Draft) -> None:
    """A fish from its side, head towards +x."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=u(-0.4, 0.4), yaw_spread=u(0.1, 0.4), pitch_spread=0.2, roll_spread=u(0.1, 0.4), turn_chance=0.2
    )
    scales, fin, dark, pale = (
        draft.texture(),
        draft.texture(),
        draft.plain((16, 16, 18)),
        draft.plain((236, 232, 220)),
    )
    tall, half = u(0.12, 0.32), 0.45
    root = f.bone(-1, (0.1, 0, 0))
    rear = f.bone(root, (-half * 0.4, 0, 0), (0, 0.4, 0.15))
    tail = f.bone(rear, (-half, 0, 0), (0, 0.4, 0.15))
    xs = np.linspace(half, -half, 9)
    profile = tall * np.sin(np.linspace(0.08, 0.93, 9) * np.pi) ** u(0.7, 1.2) + 0.03
    belly_part = u(0.6, 1.1)

    def carrier(x: float) -> int:
        return root if x > -half * 0.4 else rear

    upper = [f.point(carrier(x), (x, p, 0)) for x, p in zip(xs, profile, strict=True)]
    lower = [f.point(carrier(x), (x, -p * belly_part, 0)) for x, p in zip(xs, profile, strict=True)]
    host = f.point(root, (0, 0, 0))
    f.plate(upper + lower[::-1], scales, anchor=host, smooth=True)
    spread = u(0.12, 0.3)
    tips = [f.point(tail, (-half - u(0.12, 0.3), s * spread, 0)) for s in (1, -1)]
    notch = f.point(tail, (-half - u(0.05, 0.15), 0, 0))
    f.plate([upper[-1], tips[0], notch, tips[1], lower[-1]], fin, anchor=host, lift=-0.02)
    nose, eye_x = f.keypoint(f.point(root, (half * 1.02, 0, 0))), half * u(0.7, 0.82)
    eye_at, size = (eye_x, profile[1] * 0.35, 0.05), u(0.02, 0.045)
    for side in (1, -1):
        f.disc(
            root,
            (eye_x, eye_at[1], side * 0.03),
            (size, 0, 0),
            (0, side * size, 0),
            pale,
            anchor=host,
            lift=0.05,
        )
        eye = f.disc(
            root,
            (eye_x, eye_at[1], side * 0.03),
            (size * 0.6, 0, 0),
            (0, side * size * 0.6, 0),
            dark,
            anchor=host,
            lift=0.06,
        )
    gill = [
        f.point(root, (half * 0.5 - 0.03 * (1 - t * t), t * profile[2] * 0.8, 0.02))
        for t in (-1, -0.5, 0, 0.5, 1)
    ]
    f.stroke(gill, 0.008, dark, anchor=host, lift=0.03)
    eye_key, gill_key = f.keypoint(eye), f.keypoint(gill[2])
    top, bottom = f.keypoint(upper[4]), f.keypoint(lower[4])
    root_keys = [f.keypoint(upper[-1]), f.keypoint(lower[-1])]
    tip_keys = [f.keypoint(p) for p in tips]
    f.link(nose, eye_key, gill_key, top, root_keys[0], tip_keys[0])
    f.link(gill_key, bottom, root_keys[1], tip_keys[1], f.keypoint(notch))
    for where, row, sign in ((int(rng.integers(2, 5)), upper, 1), (int(rng.integers(3, 6)), lower, -1)):
        if draft.chance(0.75):
            crest = f.point(
                carrier(xs[where + 1]), (xs[where + 1] - 0.05, sign * (profile[where + 1] + u(0.05, 0.2)), 0)
            )
            f.plate([row[where], crest, row[where + 2]], fin, anchor=host, lift=-0.02)
            f.link(top if sign > 0 else bottom, f.keypoint(crest))
    if draft.chance(0.7):
        bone = f.bone(root, (half * 0.35, -0.02, 0.03), (0.1, 0.2, 0.4))
        p = [
            f.point(bone, q)
            for q in ((half * 0.38, 0.0, 0.04), (half * 0.05, -0.08, 0.08), (half * 0.3, -0.07, 0.05))
        ]
        f.plate(p, fin, anchor=host, lift=0.05)
        f.link(gill_key, f.keypoint(p[1]))
    for _ in range(int(rng.integers(0, 4))):
        x = u(-0.2, 0.25)
        band = [f.point(carrier(x), (x, y * tall * 0.8, 0.01)) for y in (-0.9, 0, 0.9)]
        f.stroke(band, u(0.01, 0.05), dark if draft.chance(0.5) else fin, anchor=host, lift=0.02)


def bird(draft: Draft) -> None:
    """A bird from its side, perched or with spread wings; beak towards +x."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-0.6, 0.6), yaw_spread=u(0.1, 0.4), pitch_spread=0.15, roll_spread=u(0.1, 0.4), turn_chance=0.15
    )
    plumage, wing, beak, dark = draft.texture(), draft.texture(), draft.texture(), draft.plain((16, 15, 16))
    breast = draft.texture() if draft.chance(0.6) else plumage
    root = f.bone(-1, (0, 0, 0))
    tilt, fat = u(0.1, 0.9), u(0.11, 0.2)
    way = np.array([np.cos(tilt), np.sin(tilt), 0])
    up = np.array([-way[1], way[0], 0])
    chest_at, rump_at = way * 0.22, -way * 0.25
    chest, rump = f.point(root, tuple(chest_at)), f.point(root, tuple(rump_at))
    f.limb(chest, rump, fat, fat * 0.55, plumage, bulge=fat * 0.15)
    f.blob(root, tuple(chest_at - up * fat * 0.25), (fat * 0.9, fat * 0.8, fat * 0.8), breast, lift=0.01)
    head_size, neck_length = u(0.075, 0.12), u(0.05, 0.4)
    head_at = chest_at + way * fat * 0.6 + np.array([0.05, 0.1 + neck_length, 0])
    neck = f.bone(root, tuple(chest_at), (0.1, 0.1, 0.25))
    head = f.bone(neck, tuple(head_at), (0.2, 0.4, 0.3))
    f.limb(
        f.point(root, tuple(chest_at + up * fat * 0.2)),
        f.point(neck, tuple(head_at)),
        fat * 0.6,
        head_size * 0.75,
        plumage,
    )
    skull = f.blob(head, tuple(head_at), (head_size * 1.1, head_size, head_size * 0.9), plumage, lift=0.03)
    reach = u(0.06, 0.3)
    tip = f.point(head, tuple(head_at + (head_size + reach, -0.02, 0)))
    f.limb(
        f.point(head, tuple(head_at + (head_size * 0.7, 0, 0))),
        tip,
        head_size * u(0.25, 0.5),
        0.008,
        beak,
        lift=0.02,
    )
    for side in (1, -1):
        at = tuple(head_at + (head_size * 0.35, head_size * 0.2, side * head_size * 0.85))
        eye = f.disc(
            head, at, (head_size * 0.2, 0, 0), (0, side * head_size * 0.2, 0), dark, anchor=skull, lift=0.1
        )
    crown = f.point(head, tuple(head_at + (-head_size * 0.2, head_size * 0.95, 0)))
    nape = f.point(neck, tuple(head_at - (head_size * 0.9, head_size * 0.4, 0)))
    keys = {
        n: f.keypoint(p)
        for n, p in (
            ("tip", tip),
            ("eye", eye),
            ("crown", crown),
            ("nape", nape),
            ("chest", chest),
            ("rump", rump),
        )
    }
    f.link(keys["tip"], keys["eye"], keys["crown"], keys["nape"], keys["rump"])
    f.link(keys["eye"], keys["chest"], keys["rump"])
    length, fan = u(0.15, 0.45), u(0.04, 0.14)
    tail = f.bone(root, tuple(rump_at), (0.1, 0.1, 0.25))
    ends = [f.point(tail, tuple(rump_at - way * length + up * s * fan)) for s in (1, -1)]
    f.plate(
        [f.point(tail, tuple(rump_at + up * 0.04)), *ends, f.point(tail, tuple(rump_at - up * 0.05))],
        wing,
        lift=-0.03,
    )
    f.link(keys["rump"], f.keypoint(ends[0]), f.keypoint(ends[1]))
    flying = draft.chance(0.4)
    for side in (1, -1):
        at = chest_at * 0.7 + up * fat * 0.35 + np.array([0, 0, side * fat * 0.8])
        bone = f.bone(root, tuple(at), (0.3, 0.2, 0.2) if flying else (0.03, 0.05, 0.1), "wing")
        if flying:
            out = np.array([-0.1, 0.25, side * 0.5])
            corners = [
                at,
                at + out * 0.6 + way * 0.12,
                at + out * 1.2,
                at + out * 0.5 - way * 0.28,
                at - way * 0.3,
            ]
        else:
            corners = [
                at,
                at + up * 0.03 - way * 0.15,
                at - way * u(0.4, 0.6),
                at - way * 0.25 - up * fat * 0.8,
                at - up * fat * 0.7,
            ]
        p = [f.point(bone, tuple(c)) for c in corners]
        f.plate(p, wing, smooth=True, lift=0.06 if side > 0 else -0.06)
        f.link(keys["chest"], f.keypoint(p[1]), f.keypoint(p[2]), keys["rump"])
        leg = f.bone(root, (0, 0, side * fat * 0.4), (0.05, 0, 0.3), "leg")
        start = np.array([-0.02, -fat * 0.4, side * fat * 0.4])
        q = [
            f.point(leg, tuple(start + d))
            for d in ((0, 0, 0), (-0.03, -0.14, 0), (0.01, -0.26, 0), (0.07, -0.27, 0))
        ]
        f.stroke(q, 0.02, beak, lift=-0.05)
        f.link(keys["chest"], f.keypoint(q[1]), f.keypoint(q[2]))
