# SPDX-License-Identifier: Apache-2.0
"""Find an object in a whole frame: where the search graph's answer peaks, and which of these places hold.

Places are squares, as the network's crops are. What is in a mirror is seen through a mirrored crop.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.bundle.specs import SearchSpec
from fmmp_runtime.media.image import Image
from fmmp_runtime.pose import crop_matrix
from fmmp_runtime.pose.answer import Pose
from fmmp_runtime.support_state import Sought

Array = NDArray[np.float64]

OVERLAP = 0.5  # intersection over union above which two places are one
SPREAD = 1e-4  # of keypoints, squared longer box sides, below which they say nothing of size
PER_LEVEL = 16  # highest peaks that are kept of each level and view


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an object may be."""

    middle: tuple[float, float]  # x, y of the box, pixels
    side: float  # longer one of the box, pixels
    mirrored: bool
    peak: float  # how well it fits; a mirrored view less what it must be better by

    @property
    def square(self) -> Array:
        """x, y, width, height of the square around the box; it may reach beyond the frame."""
        return np.array(
            [self.middle[0] - self.side / 2, self.middle[1] - self.side / 2, self.side, self.side]
        )

    def matrix(self, size: int, padding: float) -> Array:
        """(2, 3) map, frame pixels -> pixels of a crop of `size`, which a mirrored place turns over."""
        matrix = crop_matrix(self.square, size, padding)
        if self.mirrored:
            matrix[0] = [-matrix[0, 0], -matrix[0, 1], size - matrix[0, 2]]
        return matrix


def lay(frame: Image, side: int) -> tuple[Image, NDArray[np.float32]]:
    """The frame on a square canvas, as large as it goes, in the upper left corner.

    Returns:
        (1, side, side, 3) uint8, and (1, 2) height and width of the frame, in sides of the canvas.
    """
    height, width = frame.shape[:2]
    zoom = side / max(height, width)
    size = max(round(width * zoom), 1), max(round(height * zoom), 1)
    canvas = np.zeros((1, side, side, 3), np.uint8)
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    canvas[0, : size[1], : size[0]] = frame if zoom == 1 else cv2.resize(frame, size, interpolation=how)
    return canvas, np.array([[size[1] / side, size[0] / side]], np.float32)


def places(
    fits: Sequence[NDArray[np.float32]], search: SearchSpec, size_hw: tuple[int, int], count: int
) -> list[Place]:
    """The best places, best first.

    Args:
        fits: (1, V, n, n) of each level, as the search graph gives them.
        search: of the bundle.
        size_hw: of the frame, pixels.
        count: the most that are wanted.
    """
    longer = max(size_hw)
    found = []
    for fit, box_side in zip(fits, search.box_sides, strict=True):
        for view, mirrored in zip(fit[0], search.mirrored, strict=True):
            cell = longer / len(view)  # pixels
            rows, columns = (np.ceil(length / cell).astype(int) for length in size_hw)
            for y, x in _peaks(view[:rows, :columns]):
                found.append(
                    Place(
                        middle=((float(x) + 0.5) * float(cell), (float(y) + 0.5) * float(cell)),
                        side=box_side * longer,
                        mirrored=mirrored,
                        peak=float(view[y, x]) - mirrored * search.mirror_peak,
                    )
                )
    found.sort(key=lambda place: -place.peak)
    kept: list[Place] = []
    for place in found:
        rivals = [other for other in kept if other.mirrored == place.mirrored]
        if all(overlap(place.square, other.square) < OVERLAP for other in rivals):
            kept.append(place)
        if len(kept) == count:
            break
    return kept


def _peaks(fit: NDArray[np.float32]) -> NDArray[np.int64]:
    """(n, 2) row and column of the highest cells that no neighbour exceeds."""
    around = np.asarray(cv2.dilate(np.ascontiguousarray(fit), np.ones((3, 3), np.uint8)))
    at = np.argwhere(fit >= around)
    return at[np.argsort(-fit[tuple(at.T)], kind="stable")[:PER_LEVEL]]


def overlap(one: Array, other: Array) -> float:
    """Intersection over union of two boxes x, y, width, height."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = float(np.maximum(high - low, 0).prod())
    return shared / max(float(one[2:].prod() + other[2:].prod()) - shared, 1e-9)


def refit(place: Place, keypoints: Array, score: Array, sought: Sought) -> tuple[Place, Array]:
    """The place of the box that the support's keypoints, moved onto those found, take with them; and the box.

    The motion is the nearest shift, turn and change of size, each keypoint counting by its score.

    Args:
        place: that was looked at.
        keypoints: (K_c, 2) found there, pixels.
        score: (K_c,) in [0, 1]; 0 where no support shows it.
        sought: of the support.

    Returns:
        The place, and x, y, width, height in pixels.
    """
    weight = score / max(float(score.sum()), 1e-9)
    outline = sought.outline @ [-1 if place.mirrored else 1, 1j]
    found = keypoints @ [1, 1j]
    own, there = weight @ outline, weight @ found
    spread = float(weight @ np.abs(outline - own) ** 2)
    motion = complex(weight @ (np.conj(outline - own) * (found - there))) / max(spread, 1e-9)
    width, height = sought.box_size
    if spread < SPREAD or not 0.5 < abs(motion) / place.side < 2:  # one point; or no likeness of the support
        motion = complex(place.side)
    elif abs(motion.imag) > abs(motion.real):
        width, height = height, width
    middle, side = complex(there - motion * own), abs(motion)
    at = Place(middle=(middle.real, middle.imag), side=side, mirrored=place.mirrored, peak=place.peak)
    size = side * np.array([width, height])
    return at, np.concatenate((np.array(at.middle) - size / 2, size))


def clip(box: Array, size_hw: tuple[int, int]) -> Array:
    """What of a box lies in its frame; a sliver at the edge if nothing does."""
    limit = np.array([size_hw[1], size_hw[0]], np.float64)
    low = np.clip(box[:2], 0, limit - 1)
    return np.concatenate((low, np.clip(box[:2] + box[2:], low + 1, limit) - low))


def best(seen: Sequence[tuple[Place, Pose]], search: SearchSpec, most: int) -> list[tuple[Place, Pose]]:
    """The most probable poses, best first, none of which looks at the box of a better one."""

    def worth(item: tuple[Place, Pose]) -> float:
        place, pose = item
        likely = min(max(pose.presence, 1e-12), 1 - 1e-12)
        return math.log(likely / (1 - likely)) - place.mirrored * search.mirror_presence

    kept: list[tuple[Place, Pose]] = []
    for item in sorted(seen, key=worth, reverse=True):
        if all(overlap(item[1].box, other.box) < OVERLAP for _, other in kept):
            kept.append(item)
    return kept[:most]
