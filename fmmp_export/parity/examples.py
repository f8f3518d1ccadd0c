# SPDX-License-Identifier: Apache-2.0
"""Real crops to compare a bundle with its checkpoint on; the same ones every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fmmp_runtime.media.image import Image, read_image
from fmmp_runtime.pose import InputConfig, minimum_spanning_tree
from fmmp_train.data import find_annotations, read_annotations
from fmmp_train.data.examples.augment import PLAIN, Augmentation, cut, disturb, draw_placement
from fmmp_train.data.examples.dataset import Example, Mixture, deployment_options
from fmmp_train.data.examples.photographs import photograph_folder
from fmmp_train.data.examples.sources import AnnotatedSource, Draw, Source

# The same pairs for every precision, or their PCK could not be compared. Enough for eight bits, where PCK is
# what counts: one keypoint of 2880 moves it by 0.03 points.
COUNT = 48
CALIBRATION = 64  # crops that show the ranges of activations
PER_PHOTOGRAPH = 60
SEED = 0
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


def draw_examples(
    config: InputConfig, *, shots: int, data: Path | None, count: int, links_from: int | None = None
) -> tuple[list[Example], list[str]]:
    """Draw examples that fit a network.

    Args:
        config: what the estimator reads, `estimator.config.inputs`.
        shots: S.
        data: MP-100-style folder whose validation split is used as annotated; None takes landmarks on
            `PHOTOGRAPHS`, found again in the same photograph after it was turned, zoomed and recoloured.
        count: how many.
        links_from: 0 or 1, the number of the first keypoint in the skeletons of `data`; None: its file says.

    Returns:
        The examples, and the names of what they were drawn from.

    Raises:
        OSError: an image or the annotations can't be read.
        ValueError: there are no usable ones.
    """
    if data is None:
        stream = _mixture(config, shots, _photographs(config))
        names = [f"scikit-image/{name}" for name in PHOTOGRAPHS]
    else:
        annotations = find_annotations(data, "val")
        dataset = read_annotations(annotations, links_from=links_from)
        stream = _mixture(config, shots, AnnotatedSource(dataset, PLAIN))
        names = [annotations.name]
    return [stream[index] for index in range(count)], names


def draw_calibration(config: InputConfig) -> list[Image]:
    """Crops (size, size, 3) of `PHOTOGRAPHS` to measure ranges on; no pair of `draw_examples` holds them."""
    stream = _mixture(config, 1, _photographs(config))
    first = COUNT
    return [stream[index].query for index in range(first, first + CALIBRATION)]


def _photographs(config: InputConfig) -> Source:
    files = [photograph_folder() / name for name in PHOTOGRAPHS]
    # Padding with hidden keypoints leaves one at least, which is where a careless graph divides 0 by 0.
    slots = config.max_keypoints - 1 if config.padding == "zero" else config.max_keypoints
    return _Photographs([read_image(file) for file in files], min(PER_PHOTOGRAPH, max(slots, 1)))


def _mixture(config: InputConfig, shots: int, source: Source) -> Mixture:
    return Mixture([(source, 1.0)], deployment_options(config, shots), SEED)


class _Photographs:
    """Landmarks in a photograph, and the same ones in other views of it."""

    name = "photographs"

    def __init__(self, images: Sequence[Image], num_keypoints: int) -> None:
        self._images, self._num_keypoints = images, num_keypoints

    def draw(self, rng: np.random.Generator, shots: int, size: int) -> Draw:
        """Draw a photograph, a box in it with random landmarks, and `shots` + 1 views of that."""
        category = int(rng.integers(len(self._images)))
        image = self._images[category]
        height, width = image.shape[:2]
        side = min(height, width) * rng.uniform(0.5, 0.8)
        corner = rng.uniform(0, 1, 2) * (width - side, height - side)
        keypoints_px = corner + rng.uniform(0.1, 0.9, (self._num_keypoints, 2)) * side
        visible = np.ones(self._num_keypoints, np.bool_)
        views = []
        for index in range(shots + 1):
            scale, rotation = draw_placement(rng, Augmentation())
            view = cut(
                image,
                (*corner, side, side),
                keypoints_px,
                visible,
                size,
                scale=scale,
                rotation_deg=rotation,
            )
            views.append(disturb(view, rng, Augmentation(), is_support=index < shots))
        return Draw(views, minimum_spanning_tree(keypoints_px, visible), category)
