# SPDX-License-Identifier: Apache-2.0
"""How a bundle does where nobody draws a box: does it find the object, and does it know when it isn't there?

An image may show several objects of a category: what is found is judged by the one that it overlaps most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fmmp_runtime import Pose, PoseEstimator, SupportState
from fmmp_runtime.find import overlap
from fmmp_runtime.pose import CORRECT_WITHIN, pck, relative_error, sanitize_box
from fmmp_train.data import Dataset, Instance
from fmmp_train.data.pictures import read_picture
from fmmp_train.evaluation import trust
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.evaluation.predictors import supports_of

RECALL_AT = 0.5  # intersection over union
THRESHOLD = 0.1  # of PCK


@dataclass(frozen=True)
class Found:
    """One question, asked with its box, without, and in a photograph of another category."""

    category: int
    given: float  # PCK@0.1 with the annotated box
    found: float  # in the box that was found; 0 where none was
    overlap: float  # of that box with an object's, intersection over union
    presence: float  # that it said; 0 where it found nothing
    absent: float  # the same in the other photograph
    score: list[float]  # of every keypoint that was judged, absent ones too
    right: list[bool]


@dataclass(frozen=True)
class Finding:
    """Means over the pairs of each category, then over categories; presence over all pairs."""

    given: float
    found: float
    recall: float
    auroc: float
    presence_error: float  # expected calibration error
    score_error: float  # likewise, over what was found, be it right, badly framed, or not there
    by_category: dict[int, tuple[float, float, float]]  # given, found, recall


def evaluate_finding(
    estimator: PoseEstimator,
    dataset: Dataset,
    pairs: Sequence[Pair],
    *,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> Finding:
    """Ask for all `pairs`.

    Args:
        estimator: of a bundle with a search.
        dataset: of the pairs: further objects in their images count too.
        pairs: of two categories at least, or nothing tells what isn't there.
        seed: of the photographs of other categories.
        on_progress: called with the number of pairs done.

    Raises:
        ValueError: the bundle can't search.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for number, pair in enumerate(pairs):
        state = estimator.remember(supports_of(pair), strict=False)
        others = [other for other in pairs if other.category_id != pair.category_id]
        other = others[int(rng.integers(len(others)))] if others else None
        rows.append(_ask(estimator, state, dataset, pair, other))
        if on_progress is not None:
            on_progress(number + 1)
    return summarise(rows)


def summarise(rows: Sequence[Found]) -> Finding:
    """Means of the answers."""
    ids = dict.fromkeys(row.category for row in rows)
    table = {}
    for number in ids:
        own = [(row.given, row.found, row.overlap >= RECALL_AT) for row in rows if row.category == number]
        given, found, recall = np.nanmean(np.array(own, np.float64), axis=0).tolist()
        table[number] = (given, found, recall)
    means = np.mean(list(table.values()), axis=0)
    presence = np.array([row.presence for row in rows] + [row.absent for row in rows])
    there = np.array([row.overlap >= RECALL_AT for row in rows] + [False] * len(rows))
    is_shown = np.repeat([True, False], len(rows))
    score = np.concatenate([np.asarray(row.score, np.float64) for row in rows])
    right = np.concatenate([np.asarray(row.right, np.bool_) for row in rows])
    return Finding(
        given=float(means[0]),
        found=float(means[1]),
        recall=float(means[2]),
        auroc=trust.auroc(presence, is_shown),
        presence_error=trust.calibration_error(trust.reliability(presence, there)),
        score_error=trust.calibration_error(trust.reliability(score, right)),
        by_category=table,
    )


def _ask(
    estimator: PoseEstimator, state: SupportState, dataset: Dataset, pair: Pair, other: Pair | None
) -> Found:
    image, query = read_picture(pair.query), pair.query
    given = estimator.locate(image, state, box=query.box_xywh)
    found = _best(estimator, state, pair)
    same_image = [each for each in dataset.instances_of(pair.category_id) if each.image == query.image]
    target, shared = _target(found, [query] if query not in same_image else same_image)
    shown = pair.query.visible if target is None else target.visible
    shown = shown & np.logical_and.reduce([support.visible for support in pair.supports])
    score: list[float] = []
    right: list[bool] = []
    hits = 0.0
    if found is not None and target is not None:
        size = _size(target)
        hits = pck(found.keypoints, target.keypoints_px, shown, size, THRESHOLD) if shown.any() else np.nan
        errors = relative_error(found.keypoints, target.keypoints_px, size)[shown]
        score, right = found.score[shown].tolist(), (errors < CORRECT_WITHIN).tolist()
    absent = None if other is None else _best(estimator, state, other)
    if absent is not None:
        score += absent.score[absent.known].tolist()
        right += [False] * int(absent.known.sum())
    return Found(
        category=pair.category_id,
        given=pck(given.keypoints, query.keypoints_px, pair.visible, _size(query), THRESHOLD),
        found=hits,
        overlap=shared,
        presence=0.0 if found is None else found.presence,
        absent=0.0 if absent is None else absent.presence,
        score=score,
        right=right,
    )


def _best(estimator: PoseEstimator, state: SupportState, pair: Pair) -> Pose | None:
    """What fits best in the pair's query, however improbable."""
    poses = estimator.find(read_picture(pair.query), state, most=1, presence=0.0)
    return poses[0] if poses else None


def _target(found: Pose | None, instances: Sequence[Instance]) -> tuple[Instance | None, float]:
    """The object that the found box overlaps most, and how much."""
    if found is None:
        return None, 0.0
    shares = [overlap(found.box, sanitize_box(each.box_xywh, each.image_size_hw)) for each in instances]
    best = int(np.argmax(shares))
    return instances[best], shares[best]


def _size(instance: Instance) -> tuple[float, float]:
    width, height = sanitize_box(instance.box_xywh, instance.image_size_hw)[2:].tolist()
    return width, height
