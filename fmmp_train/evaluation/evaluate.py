# SPDX-License-Identifier: Apache-2.0
"""PCK of anything that locates keypoints: a network, a bundle or a baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fmmp_runtime.pose import (
    THRESHOLDS,
    InputConfig,
    invert_matrix,
    pck,
    pck_area,
    relative_error,
    sanitize_box,
    transform_points,
)
from fmmp_train.evaluation.pairs import Crops, Pair, prepare

Floats = npt.NDArray[np.float64]
DEFAULT_INPUTS = InputConfig()  # of a method that has no settings


class Answer(NamedTuple):
    """What was found for one pair."""

    keypoints_px: npt.NDArray[np.floating]  # (K_c, 2), pixels of the query image
    score: npt.NDArray[np.floating] | None = None  # (K_c,) in [0, 1]; None: it does not judge itself


class CropAnswer(NamedTuple):
    """What was found in a batch of crops."""

    points: npt.NDArray[np.float32]  # (B, K, 2) in [0, 1] of the query crop
    score: npt.NDArray[np.float32] | None = None  # (B, K) in [0, 1]


Predict = Callable[[Sequence[Pair]], Sequence[Answer]]


class Measured(NamedTuple):
    """How far one pair's answer is from the annotation: all that a report is made of."""

    pck: list[float]  # at `THRESHOLDS`
    error: list[float]  # of each keypoint to score, in longer box sides
    score: list[float] | None  # of the same keypoints; None: the method does not judge itself


@dataclass(frozen=True, kw_only=True)
class Report:
    """The measures of every pair, P of them, and their means."""

    categories: tuple[tuple[int, str], ...]  # id and name of each pair's category
    pck: Floats  # (P, 4) at `THRESHOLDS`
    area: Floats  # (P,) under the PCK curve, see `pck_area`
    nme: Floats  # (P,) mean error in longer box sides; NaN where no keypoint is visible in all images
    cluster: npt.NDArray[np.int64]  # (P,) number of its support set: pairs that share one vary together
    error: Floats  # (N,) of all keypoints to score, in longer box sides
    owner: npt.NDArray[np.int64]  # (N,) the pair that each belongs to
    score: Floats | None  # (N,) in [0, 1]

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """(P,) False where no keypoint is visible in all images."""
        return ~np.isnan(self.nme)

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """(P,) category of each pair."""
        return np.array([number for number, _ in self.categories], np.int64)

    @property
    def by_category(self) -> dict[int, Floats]:
        """Mean over the pairs of each category: id -> (4,)."""
        ids = self.ids
        return {number: self.pck[ids == number].mean(0) for number in dict.fromkeys(ids.tolist())}

    @property
    def category_mean(self) -> Floats:
        """(4,) mean over pairs, then over categories: for small sets of unequal categories."""
        mean: Floats = np.mean(list(self.by_category.values()), axis=0)
        return mean

    @property
    def image_mean(self) -> Floats:
        """(4,) mean over images, as on MP-100; one without a keypoint to score is 0, as released."""
        mean: Floats = self.pck.mean(0)
        return mean

    @property
    def scored_image_mean(self) -> Floats:
        """(4,) the same without the images that have no visible keypoint."""
        return self.pck[self.scored].mean(0) if self.scored.any() else np.zeros(len(THRESHOLDS))


def evaluate(
    predict: Predict,
    pairs: Sequence[Pair],
    *,
    batch_size: int = 16,
    on_progress: Callable[[int], None] | None = None,
) -> Report:
    """Predict all `pairs` and compare with the annotations.

    Args:
        predict: see `on_crops` for methods that work on crops.
        pairs: see `draw_pairs` and `episode_pairs`.
        batch_size: pairs that `predict` gets at once.
        on_progress: called with the number of pairs done.

    Raises:
        ValueError: no pairs, or an answer of the wrong shape.
    """
    rows: list[Measured] = []
    for start in range(0, len(pairs), batch_size):
        chunk = pairs[start : start + batch_size]
        rows += measure(chunk, predict(chunk))
        if on_progress is not None:
            on_progress(len(rows))
    return report_of(pairs, rows)


def measure(pairs: Sequence[Pair], answers: Sequence[Answer]) -> list[Measured]:
    """Compare answers with the annotations.

    Raises:
        ValueError: an answer of the wrong shape.
    """
    return [_measure(pair, answer) for pair, answer in zip(pairs, answers, strict=True)]


def report_of(pairs: Sequence[Pair], rows: Sequence[Measured]) -> Report:
    """Put the measures of all pairs together.

    Raises:
        ValueError: no pairs.
    """
    if not pairs:
        raise ValueError("nothing to evaluate: no pairs")
    numbers: dict[tuple[int, ...], int] = {}
    keys = [(pair.category_id, *(support.id for support in pair.supports)) for pair in pairs]
    scores = [row.score for row in rows if row.score is not None]
    return Report(
        categories=tuple((pair.category_id, pair.category) for pair in pairs),
        pck=np.array([row.pck for row in rows], np.float64),
        area=np.array([pck_area(row.error) for row in rows]),
        nme=np.array([np.mean(row.error) if row.error else np.nan for row in rows]),
        cluster=np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64),
        error=np.concatenate([np.asarray(row.error, np.float64) for row in rows]),
        owner=np.repeat(np.arange(len(rows)), [len(row.error) for row in rows]),
        score=np.concatenate(scores).astype(np.float64) if len(scores) == len(rows) else None,
    )


def on_crops(locate: Callable[[Crops], CropAnswer], config: InputConfig = DEFAULT_INPUTS) -> Predict:
    """Make a `Predict` of a method that reads crops with keypoints padded as `config` says."""

    def predict(pairs: Sequence[Pair]) -> list[Answer]:
        crops = prepare(pairs, config)
        located = locate(crops)
        answers = []
        for row, pair in enumerate(pairs):
            count = len(pair.query.visible)
            to_image = invert_matrix(crops.matrices[row])
            keypoints_px = transform_points(located.points[row, :count] * config.image_size, to_image)
            score = None if located.score is None else located.score[row, :count]
            answers.append(Answer(keypoints_px, score))
        return answers

    return predict


def _measure(pair: Pair, answer: Answer) -> Measured:
    query, shown = pair.query, pair.visible
    if answer.keypoints_px.shape != query.keypoints_px.shape:
        raise ValueError(
            f"category {pair.category_id} needs keypoints of shape {query.keypoints_px.shape}, "
            f"the method gave {answer.keypoints_px.shape}"
        )
    size_wh = sanitize_box(query.box_xywh, query.image_size_hw)[2:]
    located = answer.keypoints_px, query.keypoints_px
    return Measured(
        pck=[pck(*located, shown, size_wh, at) for at in THRESHOLDS],
        error=relative_error(*located, size_wh)[shown].tolist(),
        score=None if answer.score is None else answer.score[shown].astype(np.float64).tolist(),
    )
