# SPDX-License-Identifier: Apache-2.0
"""Lattices of cells: windows, boards, keyboards, quilts, fences, shelves; keypoints where lines cross."""

from __future__ import annotations

import numpy as np

from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.figure import Array, View


def build(draft: Draft) -> None:
    """Draw a frame, cells of a few textures on a curved sheet, and the lines between them."""
    f, u, rng = draft.figure, draft.u, draft.rng
    f.view = View(
        yaw=u(-0.4, 0.4),
        yaw_spread=u(0.1, 0.5),
        pitch=u(-0.3, 0.3),
        pitch_spread=0.25,
        roll_spread=u(0.05, 0.4),
    )
    textures = [draft.texture() for _ in range(int(rng.integers(2, 5)))]
    line, frame = draft.texture(), draft.texture()
    rows, columns = rng.integers(2, 7, 2).tolist()
    xs, ys = _lines(draft, columns), _lines(draft, rows)
    curve, border = u(-0.25, 0.25), u(0.02, 0.08)
    root = f.bone(-1, (0, 0, 0))
    host = f.point(root, (0, 0, 0))
    x1, y1 = xs[-1] + border, ys[-1] + border
    outer = [(x, y, curve * x * x - 0.01) for x, y in ((-x1, -y1), (x1, -y1), (x1, y1), (-x1, y1))]
    f.plate(f.row(root, outer), frame, anchor=host)
    net = [f.row(root, [(x, y, curve * x * x) for x in xs.tolist()]) for y in ys.tolist()]
    for i, j in np.ndindex(rows, columns):
        cell = [net[i][j], net[i][j + 1], net[i + 1][j + 1], net[i + 1][j]]
        f.plate(cell, textures[rng.integers(len(textures))], anchor=host, lift=0.01)
    upright = [list(column) for column in zip(*net, strict=True)]
    if draft.chance(0.7):
        width = u(0.008, 0.035)
        for path in (*net, *upright):
            f.stroke(path, width, line, anchor=host, lift=0.02)
    keys = [f.keys(row) for row in net]
    for row in keys:
        f.link(*row)
    for column in zip(*keys, strict=True):
        f.link(*column)


def _lines(draft: Draft, cells: int) -> Array:
    """(cells + 1,) places of lines, unevenly apart, symmetric about 0 at the ends."""
    widths = np.exp(draft.rng.normal(0, 0.25, cells))
    places = np.concatenate([[0], np.cumsum(widths)])
    return np.asarray((places / places[-1] - 0.5) * draft.u(0.5, 1))
