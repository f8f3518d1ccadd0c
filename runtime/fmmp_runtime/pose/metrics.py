# SPDX-License-Identifier: Apache-2.0
"""PCK: the share of visible keypoints that lie within a threshold of the longer box side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

THRESHOLDS = (0.05, 0.1, 0.15, 0.2)  # of the longer box side; mPCK is the mean over them


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
