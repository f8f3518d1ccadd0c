# SPDX-License-Identifier: Apache-2.0
"""Where training examples come from: each source draws views of objects of one category."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.media.image import Image, read_image
from fmmp_train.data.coco import DataError, Dataset, Instance
from fmmp_train.data.examples.augment import (
    Augmentation,
    View,
    cut,
    disturb,
    draw_placement,
    flip,
    mirror_pairs,
)
from fmmp_train.data.pictures import fit_picture
from fmmp_train.synthetic import SyntheticCategory, TextureBank

_FLIP_ONE_CHANCE = 0.2  # of a view that is mirrored alone, left and right keypoints swapped


class Draw(NamedTuple):
    """Views of one category with the same keypoints: the supports, then the query."""

    views: list[View]
    links: NDArray[np.int64]  # (E, 2)
    category: int  # id within its source


class Source(Protocol):
    """Draws what an example is made of; all randomness comes from the generator it is given."""

    name: str

    def draw(self, rng: np.random.Generator, shots: int, size: int) -> Draw:
        """`shots` supports and one query, crops of size x size pixels."""
        ...


class SyntheticSource:
    """Invented categories, a new one nearly every time.

    Args:
        bank: textures; the procedural default when None.
        count: categories in all.
        augmentation: only its placement is used: the generator disturbs its pictures itself.
    """

    name = "synthetic"

    def __init__(
        self, bank: TextureBank | None = None, count: int = 2**40, augmentation: Augmentation | None = None
    ) -> None:
        self._bank, self._count = bank, count
        self._augmentation = augmentation or Augmentation()

    def draw(self, rng: np.random.Generator, shots: int, size: int) -> Draw:
        """Draw a category and `shots` + 1 instances of it."""
        number = int(rng.integers(self._count))
        category = SyntheticCategory(number, self._bank)
        views = []
        for _ in range(shots + 1):
            scale, rotation = draw_placement(rng, self._augmentation)
            drawn = category.render(rng, size, scale=1 / scale, rotation_deg=rotation)
            views.append(View(drawn.image, drawn.keypoints_px, drawn.visible))
        return Draw(views, category.links, number)


class AnnotatedSource:
    """Photographs with annotations: every category is drawn equally often, whatever its size.

    Args:
        dataset: annotated instances.
        augmentation: of every view.

    Raises:
        DataError: no category has two instances.
    """

    def __init__(self, dataset: Dataset, augmentation: Augmentation | None = None) -> None:
        self.name = dataset.source.stem
        self.dataset = dataset
        self._augmentation = augmentation or Augmentation()
        self._ids = [number for number in dataset.categories if len(dataset.instances_of(number)) > 1]
        if not self._ids:
            raise DataError(
                f"{dataset.source}: no category has two usable instances, so there is nothing to pair"
            )
        self._pairs = {n: mirror_pairs(dataset.categories[n].keypoint_names) for n in self._ids}

    def draw(self, rng: np.random.Generator, shots: int, size: int) -> Draw:
        """Draw a category and `shots` + 1 of its instances, different ones as far as there are enough."""
        number = self._ids[int(rng.integers(len(self._ids)))]
        instances = self.dataset.instances_of(number)
        picked = [instances[i] for i in rng.permutation(len(instances))[: shots + 1]]
        while len(picked) < shots + 1:  # a small category: supports repeat, the query stays apart
            picked.insert(0, picked[int(rng.integers(len(picked) - 1))])
        views = [self._view(rng, instance, size, is_support=i < shots) for i, instance in enumerate(picked)]
        return Draw(views, self.dataset.categories[number].links, number)

    def _view(self, rng: np.random.Generator, instance: Instance, size: int, *, is_support: bool) -> View:
        scale, rotation = draw_placement(rng, self._augmentation)
        image = load_image(instance, self.dataset.source)
        view = cut(
            image,
            instance.box_xywh,
            instance.keypoints_px,
            instance.visible,
            size,
            scale=scale,
            rotation_deg=rotation,
        )
        pairs = self._pairs[instance.category_id]
        if pairs and rng.random() < _FLIP_ONE_CHANCE:
            view = flip(view, pairs)
        return disturb(view, rng, self._augmentation, is_support=is_support)


def load_image(instance: Instance, source: Path) -> Image:
    """The photograph of an instance; the last few hundred stay in memory.

    Raises:
        DataError: it cannot be read; names the annotation.
    """
    try:
        return fit_picture(_read(instance.image), instance)
    except (OSError, ValueError) as error:
        raise DataError(f"{source}: annotation {instance.id}: {error}") from error


@lru_cache(maxsize=384)
def _read(path: Path) -> Image:
    return read_image(path)
