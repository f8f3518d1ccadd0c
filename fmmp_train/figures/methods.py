# SPDX-License-Identifier: Apache-2.0
"""Figure 4: what several methods find, side by side, with an arrow from each keypoint to where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fmmp_runtime.media.draw import draw_errors, draw_pose
from fmmp_runtime.media.image import Image
from fmmp_runtime.media.sheet import draw_sheet
from fmmp_runtime.pose import transform_points
from fmmp_train.evaluation.evaluate import Predict, measure
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.figures.crops import crop


def methods_figure(pairs: Sequence[Pair], methods: Mapping[str, Predict]) -> Image:
    """A row for each pair: the annotated support, the annotated query, and the answer of every method.

    A title has mPCK and says of how many keypoints.
    """
    panels = []
    answers = {name: predict(pairs) for name, predict in methods.items()}
    for row, pair in enumerate(pairs):
        support, query = crop(pair.supports[0]), crop(pair.query)
        shown = pair.visible
        annotated = draw_pose(support.image, support.keypoints, shown, pair.links)
        panels.append((f"{pair.category}: support", annotated))
        panels.append(("query, annotated", draw_pose(query.image, query.keypoints, shown, pair.links)))
        for name, found in answers.items():
            [measured] = measure([pair], [found[row]])
            points = transform_points(found[row].keypoints_px, query.matrix)
            arrows = draw_errors(query.image, points, query.keypoints, shown)
            picture = draw_pose(arrows, points, shown, pair.links)
            share = sum(measured.pck) / len(measured.pck)
            panels.append((f"{name}: mPCK {100 * share:.0f}", picture))
    return draw_sheet(panels, height=300, columns=2 + len(methods))
