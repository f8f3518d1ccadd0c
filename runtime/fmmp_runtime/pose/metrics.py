# SPDX-License-Identifier: Apache-2.0
"""PCK, the share of visible keypoints within a threshold of the longer box side, and its relatives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

THRESHOLDS = (0.05, 0.1, 0.15, 0.2)  # of the longer box side; mPCK is the mean over them
CORRECT_WITHIN = 0.1  # a score is the probability of an error below this share of the longer box side
AREA_LIMIT = 0.2  # largest threshold of the area under the PCK curve


def pck(
    prediction_px: ArrayLike,
    truth_px: ArrayLike,
    visible: ArrayLike,
    box_size_wh: ArrayLike,
    threshold: float,
) -> float:
    """PCK of one image; 0 where no keypoint is visible, as in the released code.

    Args:
        prediction_px: (K, 2); NaN counts as wrong.
        truth_px: (K, 2).
        visible: (K,) bool, in the query and in all supports.
        box_size_wh: (2,) width and height of the sanitised box, in the same pixels.
        threshold: share of the longer side; a keypoint is right when it is nearer than that.
    """
    valid = np.asarray(visible, np.bool_)
    error = np.asarray(prediction_px, np.float64) - np.asarray(truth_px, np.float64)
    right = np.linalg.norm(error, axis=-1) < threshold * np.max(np.asarray(box_size_wh, np.float64))
    return float((right & valid).sum() / max(int(valid.sum()), 1))


def relative_error(
    prediction_px: ArrayLike, truth_px: ArrayLike, box_size_wh: ArrayLike
) -> NDArray[np.float64]:
    """Distance of each keypoint from the truth in longer box sides, (K,); infinite where it is not a number.

    Arguments as in `pck`. The mean over the visible keypoints of an image is its normalised mean error.
    """
    step = np.asarray(prediction_px, np.float64) - np.asarray(truth_px, np.float64)
    error = np.linalg.norm(step, axis=-1) / np.max(np.asarray(box_size_wh, np.float64))
    return np.where(np.isnan(error), np.inf, error)


def pck_area(error: ArrayLike, limit: float = AREA_LIMIT) -> float:
    """Area under the curve of PCK over the threshold, from 0 to `limit`, divided by `limit`; exact.

    A keypoint with error e is right from the threshold e on, so it adds 1 - e / limit, or nothing. 0 where
    there is no keypoint, as `pck`.

    Args:
        error: (K,) relative errors of the visible keypoints.
        limit: last threshold.
    """
    share = np.clip(1 - np.asarray(error, np.float64) / limit, 0, 1)
    return float(share.mean()) if share.size else 0.0


@dataclass(frozen=True, kw_only=True)
class MeanPck:
    """PCK over images, at each threshold and on the mean."""

    per_threshold: dict[float, float]  # mean over all images, one without a valid keypoint counts 0
    mean: float  # mPCK: over the thresholds
    measurable: dict[float, float]  # the same without the images that have no valid keypoint
    images: int
    empty_images: int  # those without a valid keypoint


def mean_pck(
    predictions_px: Iterable[ArrayLike],
    truths_px: Iterable[ArrayLike],
    visible: Sequence[ArrayLike],
    box_sizes_wh: Iterable[ArrayLike],
    thresholds: Sequence[float] = THRESHOLDS,
) -> MeanPck:
    """PCK of many images: per image first, then the mean over them; each argument has one item an image.

    Raises:
        ValueError: no image at all, or arguments of different lengths.
    """
    if len(visible) == 0:
        raise ValueError("mean_pck needs at least one image, got none")
    table = np.array(
        [
            [pck(*image, threshold) for threshold in thresholds]
            for image in zip(predictions_px, truths_px, visible, box_sizes_wh, strict=True)
        ]
    )  # (images, thresholds)
    measurable = np.array([np.any(np.asarray(shown, np.bool_)) for shown in visible])
    over_all = table.mean(0)
    over_some = table[measurable].mean(0) if measurable.any() else np.zeros(len(thresholds))
    return MeanPck(
        per_threshold=dict(zip(thresholds, over_all.tolist(), strict=True)),
        mean=float(over_all.mean()),
        measurable=dict(zip(thresholds, over_some.tolist(), strict=True)),
        images=len(visible),
        empty_images=int((~measurable).sum()),
    )
