# SPDX-License-Identifier: Apache-2.0
"""Keypoints along a contour."""

from __future__ import annotations

from collections.abc import Sequence

from fmmp_train.synthetic.figure import Figure


def key_chain(figure: Figure, points: Sequence[int], count: int, *, closed: bool = False) -> list[int]:
    """Make `count` of a contour's points keypoints, evenly spread, and link them.

    An open contour gives its ends too, or its middle if only one is wanted; a closed one its first point.
    """
    if closed:
        chosen = [i * len(points) // count for i in range(count)]
    elif count == 1:
        chosen = [len(points) // 2]
    else:
        chosen = [round(i * (len(points) - 1) / (count - 1)) for i in range(count)]
    keys = figure.keys(points[i] for i in chosen)
    figure.link(*keys)
    if closed and count > 2:
        figure.link(keys[-1], keys[0])
    return keys
