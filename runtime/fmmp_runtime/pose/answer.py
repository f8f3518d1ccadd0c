# SPDX-License-Identifier: Apache-2.0
"""What is said of one object in one image."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# From which presence an object counts as found. On validation photographs the demo model gave 0.35 and more
# where the search had the object, at most 0.25 on those of other categories; 0.5 would refuse good finds.
PRESENT_FROM = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Pose:
    """The keypoints of one object."""

    keypoints: NDArray[np.float64]  # (K_c, 2) x, y in pixels of the whole image
    score: NDArray[np.float64]  # (K_c,) in [0, 1]; the bundle says what it means; 0 where not `known`
    links: NDArray[np.int64]  # (E, 2)
    known: NDArray[np.bool_]  # (K_c,) shown by some support, or by every one, as the bundle says
    box: NDArray[
        np.float64
    ]  # x, y, width, height that was looked at; of the object, where it was searched for
    presence: float = math.nan  # in [0, 1], the object is there and framed; NaN: the bundle doesn't say
