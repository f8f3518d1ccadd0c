# SPDX-License-Identifier: Apache-2.0
"""Figure 3: keypoints before and after padding, on a support and on the query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fmmp_runtime.media.draw import draw_pose, palette
from fmmp_runtime.media.image import Image
from fmmp_runtime.media.sheet import draw_sheet
from fmmp_runtime.pose import Method, pad_alike
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.figures.crops import SIDE, crop

_FAINT = 0.4  # score that padded points are drawn with: small and pale


def padding_figure(pairs: Sequence[Pair], counts: Sequence[int], method: Method, seed: int = 0) -> Image:
    """Two rows for each pair, support and query; a column before padding and one for each of `counts`.

    Args:
        pairs: one shot.
        counts: K, at least the keypoints of every pair.
        method: of padding.
        seed: of the draws of mixup, which support and query share.

    Raises:
        ValueError: a category has more keypoints than a count.
    """
    panels = []
    for pair in pairs:
        crops = crop(pair.supports[0]), crop(pair.query)
        shown = pair.visible  # as in training: what both show
        for part, (name, cut) in enumerate(zip((f"{pair.category}: support", "query"), crops, strict=True)):
            panels.append((name, draw_pose(cut.image, cut.keypoints, shown, pair.links)))
            for count in counts:
                rng = np.random.default_rng((seed, count))
                alone = [(cut.keypoints / SIDE, shown)]
                [(points, visible, links)] = pad_alike(alone, pair.links, count, method, rng=rng)
                trust = np.where(np.arange(count) < len(shown), 1, _FAINT)
                colours = _colours(points, links, len(shown))
                picture = draw_pose(cut.image, points * SIDE, visible, pair.links, trust, colours)
                panels.append((f"K = {count}, {method}" if part == 0 else "", picture))
    return draw_sheet(panels, height=300, columns=1 + len(counts))


def _colours(
    points: npt.NDArray[np.float32], links: npt.NDArray[np.int64], own: int
) -> npt.NDArray[np.float64]:
    """(K, 3): the category's keypoints in their own colours, a padded one mixed of its chain's two ends."""
    colours = np.zeros((len(points), 3))
    colours[:own] = palette(own)
    chain: list[int] = []
    for start, end in links.tolist():
        if start < own and end < own:
            continue  # a link of the category
        chain = [start] if start < own else chain
        chain.append(end)
        if end < own:
            first, last = chain[0], chain[-1]
            for k in chain[1:-1]:
                lengths = [float(np.linalg.norm(points[k] - points[at])) for at in (first, last)]
                share = lengths[0] / max(sum(lengths), 1e-9)
                colours[k] = (1 - share) * colours[first] + share * colours[last]
    return colours
