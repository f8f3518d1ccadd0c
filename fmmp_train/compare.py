# SPDX-License-Identifier: Apache-2.0
"""Evaluate a model, and the baselines, on the same pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fmmp_train.baselines import copy_support, nearest_neighbours
from fmmp_train.data import Dataset, draw_episodes, find_annotations, read_annotations
from fmmp_train.evaluate import Predict, Report, evaluate, on_crops
from fmmp_train.pairs import Pair, draw_pairs, episode_pairs
from fmmp_train.predictors import open_predictor


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Which pairs are asked, and how the mean is taken."""

    name: Literal["pairs", "mp100"] = "pairs"
    shots: int = 1
    seed: int | None = None  # None: 0 for pairs, 1 for mp100, as published
    categories: tuple[int, ...] = ()  # empty: all of the split
    pairs: int = 24  # of a category; protocol "pairs"
    episodes: int = 200  # of a category; protocol "mp100"
    queries: int = 15  # of an episode; protocol "mp100"

    def __post_init__(self) -> None:
        """Refuse what asks nothing."""
        for name in ("shots", "pairs", "episodes", "queries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def draw(self, dataset: Dataset) -> list[Pair]:
        """Draw the pairs.

        Raises:
            ValueError: the data lacks a category, or has too few instances.
        """
        if self.categories:
            dataset = dataset.subset(self.categories)
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


def compare(
    model: Path | None,
    data: Path,
    split: str,
    protocol: Protocol,
    *,
    baselines: bool = False,
    device: str = "cpu",
    backend: str = "auto",
    max_keypoints: int = 70,
    tell: Callable[[str, int, int], None] | None = None,
) -> dict[str, Report]:
    """Evaluate on a split of a data folder.

    Args:
        model: checkpoint (file) or bundle (folder); None for the baselines alone.
        data: folder with `annotations/<split>.json` and `images/`.
        split: see `data`.
        protocol: which pairs.
        baselines: evaluate them too.
        device: of a checkpoint.
        backend: of a bundle.
        max_keypoints: K of a released checkpoint, which doesn't say it.
        tell: called with the method, the pairs done and all pairs.

    Returns:
        Report by method.

    Raises:
        OSError: a file is missing or unreadable.
        ValueError: model or data are wrong, or don't fit.
    """
    methods: dict[str, Predict] = {}
    if model is not None:
        methods[str(model)] = open_predictor(
            model, device=device, backend=backend, max_keypoints=max_keypoints
        )
    if baselines:
        methods["copy the support"] = on_crops(copy_support)
        methods |= {name: on_crops(method.locate) for name, method in nearest_neighbours().items()}
    pairs = protocol.draw(read_annotations(find_annotations(data, split)))

    def tell_of(name: str) -> Callable[[int], None] | None:
        return None if tell is None else lambda done: tell(name, done, len(pairs))

    return {name: evaluate(predict, pairs, tell=tell_of(name)) for name, predict in methods.items()}
