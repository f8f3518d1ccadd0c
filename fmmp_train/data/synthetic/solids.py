# SPDX-License-Identifier: Apache-2.0
"""Rigid things with flat faces: cars, cycles, chairs, tables, cabinets, aeroplanes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fmmp_train.data.synthetic.draft import Draft
from fmmp_train.data.synthetic.figure import Point, View

Profile = Sequence[tuple[float, float]]


def extrude(
    draft: Draft, bone: int, profile: Profile, z0: float, z1: float, sides: int, strip: int
) -> list[tuple[int, int]]:
    """A convex profile (x, y) drawn out from z0 to z1; returns the points (back, front) of each corner."""
    f = draft.figure
    corners = [(f.point(bone, (x, y, z0)), f.point(bone, (x, y, z1))) for x, y in profile]
    middle = np.mean(np.asarray(profile, float), 0)
    inside = (middle[0], middle[1], (z0 + z1) / 2)
    anchor = f.point(bone, inside)
    for side in (0, 1):
        f.plate([c[side] for c in corners], sides, anchor=anchor, outside_of=inside)
    for (a0, a1), (b0, b1) in zip(corners, corners[1:] + corners[:1], strict=True):
        f.plate([a0, a1, b1, b0], strip, anchor=anchor, outside_of=inside)
    return corners


def box(draft: Draft, bone: int, centre: Point, size: Point, texture: int) -> list[tuple[int, int]]:
    """A box; returns its corners (back, front): left bottom, right bottom, right top, left top."""
    (x, y, z), (w, h, d) = centre, (s / 2 for s in size)
    return extrude(
        draft,
        bone,
        [(x - w, y - h), (x + w, y - h), (x + w, y + h), (x - w, y + h)],
        z - d,
        z + d,
        texture,
        texture,
    )


def car(draft: Draft) -> None:
    """A car, van or lorry, nose towards +x, seen from outside and a little above."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-1.0, 1.0), yaw_spread=u(0.15, 0.6), pitch=u(0.05, 0.4), pitch_spread=0.12, roll_spread=0.06
    )
    f.view = View(**{**f.view.__dict__, "turn_chance": 0.3 if draft.chance(0.3) else 0.0})
    paint, glass, tyre = (
        draft.texture(),
        draft.plain(draft.rng.uniform(25, 110, 3)),
        draft.plain((32, 32, 34)),
    )
    roof_paint = paint if draft.chance(0.7) else draft.texture()
    rim, trim, lamp, rear = (
        draft.plain((150, 152, 156)),
        draft.plain((44, 44, 48)),
        draft.plain((240, 236, 205)),
        draft.plain((170, 26, 24)),
    )
    length, width, low, sill = u(0.9, 1.15), u(0.36, 0.5), u(0.15, 0.26), u(0.06, 0.1)
    wheel = u(0.085, 0.13)
    root = f.bone(-1, (0, 0, 0))
    hl, hw = length / 2, width / 2
    hood, trunk = low * u(0.75, 1), low * u(0.8, 1.05)
    body = extrude(
        draft,
        root,
        [(-hl, sill), (hl, sill), (hl * 1.02, low * 0.6), (hl * 0.96, hood), (0, low), (-hl, trunk)],
        -hw,
        hw,
        paint,
        paint,
    )
    cab_h, cab_in = u(0.14, 0.34), u(0.75, 0.95)
    f0, f1, r1, r0 = u(0.1, 0.75) * hl, u(-0.1, 0.5) * hl, u(-0.9, -0.4) * hl, u(-1, -0.6) * hl
    f1, r1 = min(f1, f0), max(r1, r0)
    cabin = extrude(
        draft,
        root,
        [(r0, low * 0.95), (f0, low * 0.95), (f1, low + cab_h), (r1, low + cab_h)],
        -hw * cab_in,
        hw * cab_in,
        roof_paint,
        roof_paint,
    )
    cab_mid = ((f0 + r0) / 2, low + cab_h / 2, 0.0)
    anchor = f.point(root, cab_mid)
    keys: dict[str, int] = {}
    for name, z, end in (("l", -1, 0), ("r", 1, 1)):
        depth = z * hw * (cab_in + 0.01)
        split = u(-0.1, 0.1) * hl
        y0, y1 = low * 0.95 + cab_h * 0.16, low + cab_h * 0.88
        for a0, a1, b1, b0 in (
            (split + 0.015, min(split + 0.015, f1), f1 - 0.03, f0 - 0.06),
            (r0 + 0.05, r1 + 0.03, split - 0.015, split - 0.015),
        ):
            p = [
                f.point(root, q) for q in ((a0, y0, depth), (a1, y1, depth), (b1, y1, depth), (b0, y0, depth))
            ]
            f.plate(p, glass, anchor=anchor, lift=0.03, outside_of=cab_mid)
        door = [f.point(root, (split, y, z * hw * 1.005)) for y in (low * 0.9, sill * 1.4)]
        f.stroke(door, 0.006, trim, anchor=f.point(root, (split, low / 2, z * hw)), lift=0.02)
        for where, x in (("front", hl * u(0.55, 0.72)), ("back", -hl * u(0.5, 0.7))):
            at = (x, sill * 1.05, z * hw * 1.02)
            f.disc(root, at, (wheel, 0, 0), (0, z * wheel, 0), tyre, lift=0.08)
            hub = f.disc(root, at, (wheel * 0.55, 0, 0), (0, z * wheel * 0.55, 0), rim, lift=0.09)
            keys[f"{where} wheel {name}"] = f.keypoint(hub)
        for where, x, y, glow in (
            ("front", hl * 1.02, hood * 0.8, lamp),
            ("back", -hl * 1.01, trunk * 0.75, rear),
        ):
            at = (x, y, z * hw * 0.72)
            a, b = ((0, 0, -0.045), (0, 0.03, 0)) if where == "front" else ((0, 0, 0.045), (0, 0.03, 0))
            keys[f"{where} lamp {name}"] = f.keypoint(f.disc(root, at, a, b, glow, lift=0.1))
        for where, corner in (
            ("roof front", cabin[2]),
            ("roof back", cabin[3]),
            ("hood", cabin[1]),
            ("trunk", body[5]),
            ("bumper", body[1]),
        ):
            keys[f"{where} {name}"] = f.keypoint(corner[end])
        f.link(
            keys[f"roof front {name}"],
            keys[f"roof back {name}"],
            keys[f"trunk {name}"],
            keys[f"back lamp {name}"],
        )
        f.link(
            keys[f"roof front {name}"],
            keys[f"hood {name}"],
            keys[f"front lamp {name}"],
            keys[f"bumper {name}"],
        )
        f.link(
            keys[f"front lamp {name}"],
            keys[f"front wheel {name}"],
            keys[f"back wheel {name}"],
            keys[f"back lamp {name}"],
        )
    inner = hw * cab_in * 0.88
    for x0, x1, sign in ((f0, f1, 1), (r0, r1, -1)):  # windscreens
        p = []
        for part, z in ((0.12, -inner), (0.9, -inner * 0.92), (0.9, inner * 0.92), (0.12, inner)):
            p.append(f.point(root, (x0 + (x1 - x0) * part + sign * 0.012, low * 0.95 + cab_h * part, z)))
        f.plate(p, glass, anchor=anchor, lift=0.03, outside_of=cab_mid)
    grille = [
        f.point(root, (hl * 1.025, y, z * hw * 0.45))
        for y, z in ((sill * 1.3, -1), (hood * 0.62, -1), (hood * 0.62, 1), (sill * 1.3, 1))
    ]
    f.plate(grille, trim, anchor=f.point(root, (hl, hood / 2, 0)), lift=0.08, outside_of=(0, hood / 2, 0))
    for where in ("roof front", "roof back", "front lamp", "back lamp", "hood"):
        f.link(keys[f"{where} l"], keys[f"{where} r"])


def cycle(draft: Draft) -> None:
    """A bicycle or motorcycle from its side."""
    f, u = draft.figure, draft.u
    f.view = View(yaw=u(-0.6, 0.6), yaw_spread=u(0.1, 0.4), pitch=u(0, 0.25), roll_spread=0.08)
    tyre, frame, metal = draft.plain((30, 30, 32)), draft.texture(), draft.plain((160, 162, 166))
    seat, body = draft.plain((40, 34, 32)), draft.texture()
    motor = draft.chance(0.5)
    radius, base, thick = u(0.18, 0.27), u(0.5, 0.68), u(0.012, 0.03) * (1.8 if motor else 1)
    root = f.bone(-1, (0, 0, 0))
    steer = f.bone(root, (base * 0.36, 0.3, 0), (0, 0.3, 0))
    hubs = []
    ring = np.linspace(0, 2 * np.pi, 25)
    for bone, x in ((root, -base / 2), (steer, base / 2)):
        hub = f.point(bone, (x, 0, 0))
        rim = [f.point(bone, (x + radius * np.cos(t), radius * np.sin(t), 0)) for t in ring]
        if motor:
            for side in (1, -1):
                f.disc(
                    bone,
                    (x, 0, 0.01 * side),
                    (radius * 0.75, 0, 0),
                    (0, side * radius * 0.75, 0),
                    metal,
                    lift=-0.04,
                )
        else:
            for i in range(0, 24, 3):
                f.stroke([hub, rim[i]], 0.004, metal, lift=-0.05)
        f.stroke(rim, thick * (2.4 if motor else 1.2), tyre, anchor=hub, lift=-0.03)
        f.blob(bone, (x, 0, 0), (radius * 0.16,) * 3, metal, lift=0.02)
        hubs.append((hub, rim))
    saddle = f.point(root, (-base * u(0.15, 0.3), u(0.28, 0.4), 0))
    crank = f.point(root, (-base * 0.02, u(-0.03, 0.05), 0))
    head = f.point(root, (base * 0.3, u(0.26, 0.34), 0))
    stem_y = u(0.36, 0.5)
    stem = f.point(steer, (base * 0.26, stem_y, 0))
    fork = f.point(steer, (base * 0.33, 0.24, 0))
    for a, b in (
        (hubs[0][0], saddle),
        (hubs[0][0], crank),
        (crank, saddle),
        (crank, head),
        (saddle, head),
        (fork, hubs[1][0]),
        (head, stem),
    ):
        f.limb(a, b, thick, thick, frame)
    if motor:
        tank = f.blob(root, (base * 0.1, 0.3, 0), (base * 0.24, 0.09, 0.07), body, lift=0.04)
        f.blob(root, (0, 0.1, 0), (base * 0.17, 0.12, 0.07), metal, lift=0.02)
        f.keypoint(tank)
        tail = f.point(root, (-base * 0.62, 0.36, 0))
        f.limb(saddle, tail, 0.035, 0.02, body, lift=0.03)
        f.keypoint(tail)
    f.blob(root, tuple(f.points[saddle]), (u(0.06, 0.14), 0.03, 0.05), seat, lift=0.05)
    keys = [f.keypoint(p) for p in (hubs[0][0], crank, saddle, head, hubs[1][0], stem)]
    f.link(keys[0], keys[1], keys[3], keys[4])
    f.link(keys[0], keys[2], keys[3], keys[5])
    for hub_key, (_, rim) in ((keys[0], hubs[0]), (keys[4], hubs[1])):
        for i in ((18,), (6, 18), (0, 6, 12, 18))[int(draft.rng.integers(3))]:
            f.link(hub_key, f.keypoint(rim[i]))
    lamp = f.disc(
        steer,
        (base * 0.34, stem_y * 0.85, 0.03),
        (0.035, 0, 0),
        (0, 0.035, 0),
        draft.plain((235, 230, 200)),
        lift=0.1,
    )
    f.link(keys[5], f.keypoint(lamp))
    for side in (1, -1):
        grip = f.point(steer, (base * 0.2, stem_y + 0.03, side * u(0.1, 0.2)))
        f.limb(stem, grip, thick * 0.7, thick * 0.9, seat)
        f.link(keys[5], f.keypoint(grip))


def chair(draft: Draft) -> None:
    """A chair, armchair, stool, table or bed: boards on legs."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-0.8, 0.8), yaw_spread=u(0.15, 0.5), pitch=u(0.1, 0.5), pitch_spread=0.12, roll_spread=0.08
    )
    wood, cloth, back = draft.texture(), draft.texture(), draft.texture()
    back = cloth if draft.chance(0.5) else back
    w, d, h = u(0.35, 1.0), u(0.35, 0.7), u(0.25, 0.55)
    slab = u(0.03, 0.18)
    root = f.bone(-1, (0, 0, 0))
    seat = box(draft, root, (0, h, 0), (w, slab, d), cloth)
    top = [
        f.keypoint(p) for p in (*seat[3], *seat[2][::-1])
    ]  # left back, left front, right front, right back
    f.link(*top, top[0])
    thick, round_legs, splay = u(0.012, 0.035), draft.chance(0.6), u(0, 0.08)
    if draft.chance(0.2):  # one column and a star of feet
        foot, hub = f.point(root, (0, h * 0.25, 0)), f.point(root, (0, h - slab / 2, 0))
        f.limb(hub, foot, thick * 1.5, thick * 1.5, wood)
        hub_key, foot_key = f.keypoint(hub), f.keypoint(foot)
        f.link(top[1], hub_key, foot_key)
        for t in np.linspace(0, 2 * np.pi, int(draft.rng.integers(3, 6)), endpoint=False) + u(0, 1):
            end = f.point(root, (np.cos(t) * w * 0.5, 0, np.sin(t) * w * 0.5))
            f.limb(foot, end, thick, thick * 0.8, wood)
            f.link(foot_key, f.keypoint(end))
    else:
        for i, (x, z) in enumerate(((-1, -1), (-1, 1), (1, 1), (1, -1))):
            inset = 1 - thick / w * 2
            head = (x * w / 2 * inset, h - slab / 2, z * d / 2 * inset)
            foot_at = (head[0] + x * splay, 0.0, head[2] + z * splay)
            if round_legs:
                p, q = f.point(root, head), f.point(root, foot_at)
                f.limb(p, q, thick, thick * u(0.6, 1), wood, lift=-0.02)
            else:
                box(
                    draft,
                    root,
                    (head[0], h / 2 - slab / 4, head[2]),
                    (thick * 2, h - slab / 2, thick * 2),
                    wood,
                )
                q = f.point(root, (head[0], 0, head[2]))
            f.link(top[i], f.keypoint(q))
    if draft.chance(0.75):
        rise, lean = u(0.25, 0.7), u(0, 0.12)
        hinge = f.bone(root, (0, h, -d / 2), (0.12, 0, 0))
        y1, z1 = h + slab / 2 + rise, -d / 2 - lean
        kind = draft.rng.integers(3)
        posts = []
        for x in (-1, 1):
            p, q = f.point(hinge, (x * w * 0.46, h, -d / 2)), f.point(hinge, (x * w * 0.46, y1, z1))
            posts.append((p, q))
            if kind:
                f.limb(p, q, thick, thick, wood)
        if kind == 0:
            box(
                draft,
                hinge,
                (0, h + rise / 2 + slab / 2, -d / 2 - lean / 2),
                (w, rise, max(slab * 0.6, 0.03)),
                back,
            )
        else:
            low = u(0.1, 0.6) if kind == 1 else 0.85
            quad = [
                f.point(hinge, (x * w * 0.44, h + slab / 2 + rise * part, -d / 2 - lean * part))
                for x, part in ((-1, low), (1, low), (1, 0.97), (-1, 0.97))
            ]
            f.plate(quad, back)
            for i in range(int(draft.rng.integers(0, 4)) if kind == 2 else 0):
                x = w * (-0.3 + 0.2 * i)
                bars = f.point(hinge, (x, h, -d / 2)), f.point(hinge, (x, y1, z1))
                f.limb(*bars, thick * 0.6, thick * 0.6, wood)
        tops = [f.keypoint(q) for _, q in posts]
        f.link(top[0], tops[0], tops[1], top[3])
        if draft.chance(0.35):
            for i, x in enumerate((-1, 1)):
                a, b = (x * w * 0.5, h + 0.2, -d * 0.45), (x * w * 0.5, h + 0.2, d * 0.4)
                p, q, foot = f.point(root, a), f.point(root, b), f.point(root, (x * w * 0.5, h, d * 0.4))
                f.limb(p, q, thick * 1.3, thick * 1.3, wood)
                f.limb(q, foot, thick, thick, wood)
                f.link(tops[i], f.keypoint(p), f.keypoint(q), top[1 if x < 0 else 2])


def cabinet(draft: Draft) -> None:
    """A box with doors, drawers, dials or a screen on its front: cupboard, oven, radio, house, phone."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=u(-0.7, 0.7),
        yaw_spread=u(0.1, 0.4),
        pitch=u(-0.1, 0.4),
        pitch_spread=0.12,
        roll_spread=u(0.03, 0.3),
    )
    case, panel, knob = draft.texture(), draft.texture(), draft.plain(rng.uniform(10, 240, 3))
    w, h, d = u(0.4, 1.0), u(0.4, 1.0), u(0.04, 0.6)
    root = f.bone(-1, (0, 0, 0))
    corners = box(draft, root, (0, 0, 0), (w, h, d), case)
    front = [f.keypoint(c[1]) for c in corners]
    f.link(*front, front[0])
    if d > 0.15:
        for key, corner in list(zip(front, corners, strict=True))[2:]:
            f.link(key, f.keypoint(corner[0]))
    host = f.point(root, (0, 0, 0))
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    ys = np.linspace(-h * 0.46, h * 0.46, rows + 1) + np.r_[0, rng.uniform(-0.02, 0.02, rows - 1), 0]
    xs = np.linspace(-w * 0.46, w * 0.46, columns + 1)
    for i in range(rows):
        for j in range(columns):
            gap = 0.012
            x0, x1, y0, y1 = xs[j] + gap, xs[j + 1] - gap, ys[i] + gap, ys[i + 1] - gap
            p = [f.point(root, (x, y, d / 2 + 0.004)) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
            if draft.chance(0.8):
                f.plate(p, panel, anchor=host, lift=0.03, outside_of=(0, 0, 0))
            spot = ((x0 + x1) / 2, y1 - (y1 - y0) * u(0.2, 0.8), d / 2 + 0.01)
            size = min(x1 - x0, y1 - y0) * u(0.08, 0.25)
            disc = f.disc(root, spot, (size, 0, 0), (0, size * u(0.5, 1), 0), knob, anchor=host, lift=0.05)
            f.link(front[(i >= rows / 2) * 2], f.keypoint(disc))
            if len(f.keypoints) < 30:
                for a in ((0, 2), (0, 1, 2, 3))[int(rng.integers(2))]:
                    f.link(len(f.keypoints) - 1, f.keypoint(p[a]))
    if draft.chance(0.4):
        mast = f.point(root, (w * u(-0.4, 0.4), h / 2, 0))
        tip = f.point(root, (w * u(-0.4, 0.4), h / 2 + u(0.1, 0.5), 0))
        f.limb(mast, tip, 0.02, 0.012, knob)
        f.link(front[2], f.keypoint(tip))


def aeroplane(draft: Draft) -> None:
    """A fuselage with wings and a tail, seen from above or from a side; nose towards +x."""
    f, u = draft.figure, draft.u
    f.view = View(
        yaw=u(-1.2, 1.2),
        yaw_spread=u(0.1, 0.5),
        pitch=u(0.2, 1.3),
        pitch_spread=0.2,
        roll_spread=u(0.05, 0.8),
    )
    hull, wing, dark = draft.texture(), draft.texture(), draft.plain((40, 44, 52))
    wing = hull if draft.chance(0.5) else wing
    half, radius = 0.5, u(0.035, 0.08)
    root = f.bone(-1, (0, 0, 0))
    nose, tail = f.point(root, (half, 0, 0)), f.point(root, (-half, radius * 0.5, 0))
    f.limb(nose, tail, radius * 0.8, radius * 0.4, hull, bulge=radius * 0.4)
    cockpit = f.blob(
        root, (half * 0.82, radius * 0.7, 0), (0.07, radius * 0.6, radius * 0.7), dark, lift=0.05
    )
    keys = [f.keypoint(p) for p in (nose, cockpit, tail)]
    f.link(*keys)
    span, chord, sweep, x = u(0.3, 0.65), u(0.12, 0.3), u(-0.05, 0.35), u(-0.1, 0.2)
    tail_span = span * u(0.3, 0.5)
    for side in (1, -1):
        for size, at, where in ((span, x, 0), (tail_span, -half * 0.85, 2)):
            c = chord * size / span
            s = sweep * size / span
            quad = [
                (at + c / 2, 0, side * radius * 0.5),
                (at + c / 4 - s, 0.03, side * size),
                (at - c / 4 - s, 0.03, side * size),
                (at - c / 2, 0, side * radius * 0.5),
            ]
            p = [f.point(root, q) for q in quad]
            f.plate(p, wing, lift=-0.01 if size == span else 0.0)
            wing_keys = [f.keypoint(i) for i in p]
            f.link(keys[min(where, 1)], *wing_keys, keys[2])
            if size == span and draft.chance(0.6):
                engine = np.array([at, -0.03, side * size * 0.45])
                a, b = (
                    f.point(root, tuple(engine + (c * 0.4, 0, 0))),
                    f.point(root, tuple(engine - (c * 0.3, 0, 0))),
                )
                f.limb(a, b, radius * 0.5, radius * 0.4, dark)
                f.link(wing_keys[0], f.keypoint(a))
    height = u(0.12, 0.3)
    fin = [
        f.point(root, q)
        for q in (
            (-half * 0.7, radius * 0.4, 0),
            (-half * 0.95, height, 0),
            (-half * 1.08, height, 0),
            (-half, radius * 0.4, 0),
        )
    ]
    f.plate(fin, wing)
    f.link(keys[2], f.keypoint(fin[1]), f.keypoint(fin[2]))
