# SPDX-License-Identifier: Apache-2.0
"""Evaluation episodes: which annotations are supports and which queries, drawn as the released code does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from fmmp_train.data.coco import DataError, Dataset


class Episode(NamedTuple):
    """One draw: the queries are all answered with the same supports."""

    category_id: int
    support: tuple[int, ...]  # annotation ids
    queries: tuple[int, ...]


def draw_episodes(
    dataset: Dataset,
    *,
    shots: int = 1,
    queries: int = 15,
    episodes: int = 200,
    seed: int = 1,
    order: Sequence[int] | None = None,
) -> list[Episode]:
    """Draw `episodes` episodes a category, all from one stream of Python's `random`: the order counts.

    Args:
        dataset: annotated instances.
        shots: support images of an episode.
        queries: asked with each.
        episodes: per category.
        seed: 1 gives the published numbers.
        order: category ids; by default as the annotation file lists them (in MP-100 the order of the split).

    Raises:
        DataError: an unknown category, or one with fewer than shots + queries instances.
    """
    dice = random.Random(seed)
    drawn = []
    for category_id in order if order is not None else list(dataset.categories):
        ids = [instance.id for instance in dataset.instances_of(category_id)]
        if len(ids) < shots + queries:
            raise DataError(
                f"{dataset.source}: category {category_id} has {len(ids)} usable instances, "
                f"{shots} shots and {queries} queries need {shots + queries}: ask for fewer queries"
            )
        for _ in range(episodes):
            chosen = dice.sample(ids, shots + queries)
            drawn.append(Episode(category_id, tuple(chosen[:shots]), tuple(chosen[shots:])))
    return drawn
