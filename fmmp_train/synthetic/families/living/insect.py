# SPDX-License-Identifier: Apache-2.0
"""Insects and spiders from above, head towards +y."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import View, vec


class _Segment(NamedTuple):
    bone: int
    y: float  # of its middle
    width: float
    length: float


def build(draft: Draft) -> None:
    """Draw a jointed body, then eyes, feelers, legs and perhaps wings on it."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(yaw_spread=u(0.05, 0.5), pitch_spread=u(0.05, 0.4), roll_spread=u(0.1, 0.8))
    shell, legs = draft.texture(draft.main_colour), draft.texture()
    rear = draft.texture() if draft.chance(0.6) else shell
    width, count = u(0.07, 0.17), int(rng.integers(2, 6))
    sizes = np.exp(rng.normal(0, 0.25, count))
    lengths = (sizes / sizes.sum() * u(0.8, 1.3)).tolist()
    bone, y = f.bone(-1, (0, 0, 0)), 0.5
    segments: list[_Segment] = []
    keys = [f.keypoint(f.point(bone, (0, y, 0)))]
    for s, length in enumerate(lengths):
        if s:
            bone = f.bone(bone, (0, y, 0), (0.1, 0.1, 0.18))
        w = width * float(sizes[s]) ** 0.5 * (0.75 if s == 0 else 1)
        texture = shell if s < count / 2 else rear
        f.blob(bone, (0, y - length / 2, 0), (w, length * 0.55, w * 0.8), texture, lift=0.02 * (count - s))
        segments.append(_Segment(bone, y - length / 2, w, length))
        y -= length
        keys.append(f.keypoint(f.point(bone, (0, y, 0))))
    f.link(*keys)
    thorax = segments[min(1, count - 1)]
    _head(draft, segments[0], keys[0], width, legs)
    _legs(draft, thorax, keys[min(2, count)], legs)
    if draft.chance(0.5):
        _wings(draft, thorax, keys[1], legs)


def _head(draft: Draft, head: _Segment, start: int, width: float, legs: int) -> None:
    f, w = draft.figure, head.width
    dark, reach = draft.plain((20, 18, 22)), width * draft.u(1.5, 3)
    feelers = draft.chance(0.7)
    for side in (1, -1):
        eye_at = (side * w * 0.75, head.y + w * 0.3, w * 0.3)
        eye = f.keypoint(f.blob(head.bone, eye_at, (w * 0.3,) * 3, dark, lift=0.2))
        f.link(start, eye)
        if feelers:
            base = vec(side * w * 0.4, head.y + head.length * 0.5, 0)
            bone = f.bone(head.bone, base, (0.1, 0.1, 0.3), "feeler")
            knee = base + vec(side * reach * 0.4, reach * 0.7, 0.05)
            p = f.row(bone, (base, knee, knee + vec(side * reach * 0.3, reach * 0.6, -0.03)))
            f.stroke(p, 0.015, legs)
            f.link(eye, f.keypoint(p[2]))


def _legs(draft: Draft, thorax: _Segment, start: int, legs: int) -> None:
    f, u = draft.figure, draft.u
    pairs = int(draft.rng.choice([2, 3, 3, 4]))
    reach, thick = u(0.3, 0.75), u(0.012, 0.035)
    for i, spread in enumerate(np.linspace(0.7, -0.8, pairs).tolist()):
        angle = spread + u(-0.1, 0.1)
        for side in (1, -1):
            at = vec(side * thorax.width * 0.8, thorax.y + np.sin(angle) * thorax.length * 0.35, 0)
            way = vec(side * np.cos(angle), np.sin(angle), 0)
            knee = at + reach * 0.5 * way + vec(0, 0, 0.12)
            foot = knee + reach * 0.55 * (way + vec(0, 0.35 * np.sin(angle), -0.3))
            b1 = f.bone(thorax.bone, at, (0.15, 0.1, 0.25), f"leg{i}a")
            b2 = f.bone(b1, knee, (0.15, 0.1, 0.35), f"leg{i}b")
            p = [f.point(b1, at), *f.row(b2, (knee, foot))]
            f.limb(p[0], p[1], thick * 1.2, thick, legs, lift=-0.1)
            f.limb(p[1], p[2], thick, thick * 0.5, legs, lift=-0.1)
            f.link(start, *f.keys(p[1:]))


def _wings(draft: Draft, thorax: _Segment, start: int, veins: int) -> None:
    f, u = draft.figure, draft.u
    texture = draft.texture()
    span, fold = u(0.5, 0.95), u(-0.9, 0.5)
    for side in (1, -1):
        at = vec(side * thorax.width * 0.4, thorax.y + 0.05, 0.08)
        bone = f.bone(thorax.bone, at, (0.05, 0.1, 0.25), "wing")
        way = span * vec(side * np.cos(fold), np.sin(fold), 0)
        across = span * vec(side * np.sin(fold), -np.cos(fold), 0)
        corners = (
            at,
            at + 0.75 * way - 0.06 * across,
            at + way + 0.1 * across,
            at + 0.55 * way + 0.36 * across,
        )
        p = f.row(bone, corners)
        f.plate(p, texture, smooth=True, lift=0.12)
        f.stroke([p[0], p[2]], 0.008, veins, lift=0.3)
        f.stroke([p[0], p[3]], 0.006, veins, lift=0.3)
        f.link(start, *f.keys(p[1:]))
