# SPDX-License-Identifier: Apache-2.0
"""The pairs of an evaluation: which support and query images belong together, and their crops."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fmmp_runtime.media.image import warp
from fmmp_runtime.pose import InputConfig, Inputs, crop_keypoints, crop_matrix, sanitize_box, support_inputs
from fmmp_train.data.coco import Dataset, Instance
from fmmp_train.data.episodes import Episode
from fmmp_train.data.pictures import read_picture

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pair:
    """A query image and the annotated supports whose keypoints are to be found in it."""

    category_id: int
    category: str
    links: Integers  # (E, 2)
    supports: tuple[Instance, ...]  # S shots
    query: Instance

    @property
    def visible(self) -> Bools:
        """(K_c,) the keypoints that are annotated in the query and in every support: they are scored."""
        shown: Bools = np.logical_and.reduce(
            [self.query.visible, *(support.visible for support in self.supports)]
        )
        return shown


class Crops(NamedTuple):
    """A batch of pairs as an estimator reads it."""

    inputs: (
        Inputs  # query (B, H, W, 3) and support (B, S, H, W, 3), uint8 RGB, and `stack_inputs` of each pair
    )
    matrices: npt.NDArray[np.float64]  # (B, 2, 3), image pixels -> pixels of the query crop
    first: Integers  # (B,) the first row with the same supports: what they say has to be computed once


def draw_pairs(
    dataset: Dataset,
    *,
    per_category: int = 24,
    shots: int = 1,
    seed: int = 0,
    categories: Collection[int] | None = None,
) -> list[Pair]:
    """Draw pairs from a small set: equally many from each category, whatever its size.

    A category's pairs follow from the seed and its id alone. None comes twice; a category that has no more
    than `per_category` possible ones gives all of them. Each has at least one keypoint to score.

    Args:
        dataset: annotated instances.
        per_category: at most this many pairs a category.
        shots: support images of a pair; their order matters (the last one's skeleton serves the query).
        seed: of the draw.
        categories: ids to draw from; all of the dataset's when None.

    Raises:
        ValueError: an id is unknown, or no category has instances enough.
    """
    chosen = sorted(dataset.categories if categories is None else categories)
    if unknown := [number for number in chosen if number not in dataset.categories]:
        raise ValueError(f"no category {unknown[0]} in this data; it has {sorted(dataset.categories)}")
    pairs = [
        pair for number in chosen for pair in _category_pairs(dataset, number, per_category, shots, seed)
    ]
    if not pairs:
        raise ValueError(f"no category of {chosen} has {shots + 1} instances that show a common keypoint")
    return pairs


def episode_pairs(dataset: Dataset, episodes: Sequence[Episode]) -> list[Pair]:
    """The pairs of MP-100's protocol: each query of an episode with the episode's supports."""
    instances = {instance.id: instance for instance in dataset.instances}
    return [
        _pair(dataset, [*(instances[number] for number in episode.support), instances[query]])
        for episode in episodes
        for query in episode.queries
    ]


def shuffle_links(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs with wrong skeletons: what a method loses by them is what it makes of links.

    The keypoints of a category change their places in its skeleton, whose form stays; a category's draw
    follows from its id alone.
    """
    shuffled = []
    for pair in pairs:
        places = np.random.default_rng(pair.category_id).permutation(len(pair.query.visible))
        shuffled.append(replace(pair, links=places[pair.links]))
    return shuffled


def prepare(pairs: Sequence[Pair], config: InputConfig) -> Crops:
    """Cut out and pad a batch of pairs, all with equally many shots, as `PoseEstimator.remember` does.

    Args:
        pairs: at least one.
        config: of the estimator that shall answer: `estimator.config.inputs`.

    Raises:
        OSError: an image is missing or unreadable.
        ValueError: a category has more keypoints than the estimator takes.
    """
    query, matrices = zip(*(_crop(pair.query, config.image_size) for pair in pairs), strict=True)
    rows = [_support(pair, config) for pair in pairs]
    return Crops(
        inputs={"query": np.stack(query)} | {name: np.stack([row[name] for row in rows]) for name in rows[0]},
        matrices=np.stack(matrices),
        first=np.array(
            [next(i for i, p in enumerate(pairs) if p.supports == pair.supports) for pair in pairs]
        ),
    )


def _support(pair: Pair, config: InputConfig) -> Inputs:
    """Images and annotation of the supports, (S, ...)."""
    crops, matrices = zip(*(_crop(each, config.image_size) for each in pair.supports), strict=True)
    shown = [
        (crop_keypoints(each.keypoints_px, each.visible, matrix, config.image_size), each.visible)
        for each, matrix in zip(pair.supports, matrices, strict=True)
    ]
    return {"support": np.stack(crops), **support_inputs(shown, pair.links, config)}


@lru_cache(maxsize=512)  # 100 MB of crops: a validation set is read again and again
def _crop(instance: Instance, image_size: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    image = read_picture(instance)
    matrix = crop_matrix(sanitize_box(instance.box_xywh, instance.image_size_hw), image_size)
    return warp(image, matrix, image_size), matrix


def _pair(dataset: Dataset, instances: Sequence[Instance]) -> Pair:
    """Supports first, query last."""
    *supports, query = instances
    category = dataset.categories[query.category_id]
    return Pair(category.id, category.name, category.links, tuple(supports), query)


def _category_pairs(dataset: Dataset, number: int, count: int, shots: int, seed: int) -> list[Pair]:
    instances = dataset.instances_of(number)
    pairs: list[Pair] = []
    for picked in _draws(len(instances), shots + 1, np.random.default_rng([seed, number])):
        pair = _pair(dataset, [instances[index] for index in picked])
        if pair.visible.any():
            pairs.append(pair)
        if len(pairs) == count:
            break
    return pairs


def _draws(count: int, size: int, rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Ordered choices of `size` of `count` items in random order, none twice; at most 10 000 of them."""
    if math.perm(count, size) <= 10_000:
        choices = list(permutations(range(count), size))
        yield from (choices[index] for index in rng.permutation(len(choices)))
        return
    seen: set[tuple[int, ...]] = set()
    while len(seen) < 10_000:
        picked = tuple(rng.permutation(count)[:size].tolist())
        if picked not in seen:
            seen.add(picked)
            yield picked
