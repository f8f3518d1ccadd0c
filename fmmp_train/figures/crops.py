# SPDX-License-Identifier: Apache-2.0
"""The crops that figures are drawn on: what the network sees, larger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fmmp_runtime.media.image import Image, warp
from fmmp_runtime.pose import crop_matrix, sanitize_box, transform_points
from fmmp_train.data import Dataset, Instance
from fmmp_train.data.pictures import read_picture
from fmmp_train.evaluation.pairs import Pair, draw_pairs

SIDE = 384  # pixels of a crop in a figure


class Crop(NamedTuple):
    """One instance."""

    image: Image  # (SIDE, SIDE, 3)
    matrix: npt.NDArray[np.float64]  # (2, 3), image pixels -> pixels of the crop
    keypoints: npt.NDArray[np.float64]  # (K_c, 2), pixels of the crop


def crop(instance: Instance) -> Crop:
    """Cut an instance out.

    Raises:
        OSError: its image is missing.
        ValueError: it cannot be read.
    """
    matrix = crop_matrix(sanitize_box(instance.box_xywh, instance.image_size_hw), SIDE)
    keypoints = transform_points(instance.keypoints_px, matrix)
    return Crop(warp(read_picture(instance), matrix, SIDE), matrix, keypoints)


def choose_pairs(dataset: Dataset, categories: Sequence[int], rows: int, seed: int) -> list[Pair]:
    """One pair of each category, one shot, at most `rows`.

    Raises:
        ValueError: no such category, or no pair in it.
    """
    return draw_pairs(dataset, per_category=1, seed=seed, categories=categories or None)[:rows]
