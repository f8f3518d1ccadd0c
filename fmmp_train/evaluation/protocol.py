# SPDX-License-Identifier: Apache-2.0
"""Which pairs an evaluation is made of, and how its mean is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fmmp_train.data import Dataset, draw_episodes
from fmmp_train.evaluation.pairs import Pair, draw_pairs, episode_pairs, shuffle_links

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which pairs are evaluated, and how the mean is taken."""

    name: Literal["pairs", "mp100"] = "pairs"
    shots: int = 1
    seed: int | None = None  # None: 0 for pairs, 1 for mp100, as published
    categories: tuple[int, ...] = ()  # empty: all of the split
    pairs: int = 24  # of a category; protocol "pairs"
    episodes: int = 200  # of a category; protocol "mp100"
    queries: int = 15  # of an episode; protocol "mp100"
    links: Literal["given", "shuffled"] = "given"  # the skeleton that a method gets

    def __post_init__(self) -> None:
        """Refuse what has no pairs."""
        for name in ("shots", "pairs", "episodes", "queries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def batch_size(self) -> int:
        """Pairs of one batch: an episode's, where it has no more than 16."""
        return min(self.queries, _BATCH) if self.name == "mp100" else _BATCH

    def draw(self, dataset: Dataset) -> list[Pair]:
        """Draw the pairs, with their links or shuffled ones.

        Raises:
            ValueError: the data lacks a category, or has too few instances.
        """
        if self.categories:
            dataset = dataset.subset(self.categories)
        pairs = self._draw(dataset)
        return shuffle_links(pairs) if self.links == "shuffled" else pairs

    def _draw(self, dataset: Dataset) -> list[Pair]:
        if self.name == "pairs":
            return draw_pairs(dataset, per_category=self.pairs, shots=self.shots, seed=self.seed or 0)
        episodes = draw_episodes(
            dataset,
            shots=self.shots,
            queries=self.queries,
            episodes=self.episodes,
            seed=1 if self.seed is None else self.seed,
        )
        return episode_pairs(dataset, episodes)
