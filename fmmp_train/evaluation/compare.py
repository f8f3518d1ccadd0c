# SPDX-License-Identifier: Apache-2.0
"""Evaluate a model, and the baselines, on the same pairs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fmmp_runtime.files import sha256
from fmmp_train.data import Dataset, draw_episodes, read_split
from fmmp_train.evaluation.baselines import copy_support, nearest_neighbours
from fmmp_train.evaluation.evaluate import Predict, Report, measure, on_crops, report_of
from fmmp_train.evaluation.fingerprint import ImageWatch, model_identity
from fmmp_train.evaluation.pairs import Pair, draw_pairs, episode_pairs, shuffle_links
from fmmp_train.evaluation.predictors import open_predictor
from fmmp_train.evaluation.result_log import Batch, ResultLog
from fmmp_train.processes import Processes

LOGGER = logging.getLogger(__name__)
_BATCH = 16


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
    links: Literal["given", "shuffled"] = "given"  # the skeleton that a method is told

    def __post_init__(self) -> None:
        """Refuse what asks nothing."""
        for name in ("shots", "pairs", "episodes", "queries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def batch_size(self) -> int:
        """Pairs that are asked at once: an episode's, where it has no more than 16."""
        return min(self.queries, _BATCH) if self.name == "mp100" else _BATCH

    def draw(self, dataset: Dataset) -> list[Pair]:
        """Draw the pairs, with the links that are asked for.

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


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """An evaluation: what on which data."""

    model: Path | None  # checkpoint (file) or bundle (folder); None for the baselines alone
    data: Path  # folder with annotations/<split>.json and images/
    split: str
    protocol: Protocol
    baselines: bool = False
    device: str = "cpu"  # of a checkpoint
    backend: str = "auto"  # of a bundle
    max_keypoints: int | None = None  # K of a released checkpoint, which doesn't say it; None: its authors'
    out: Path | None = None  # folder that every batch is written to, and read from when it was begun before


def compare(
    asked: EvaluationConfig,
    *,
    processes: Processes | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Report]:
    """Evaluate, with all processes together, each of which answers every n-th batch.

    Args:
        asked: what.
        processes: this process among those that share the work; None: alone.
        on_progress: called with the method, the pairs of this process that are done, and all of its pairs.

    Returns:
        Report by method, the same in every process.

    Raises:
        OSError: a file is missing or unreadable.
        ValueError: model or data are wrong, don't fit, or are not those that `asked.out` was begun with.
    """
    processes = processes or Processes()
    protocol = asked.protocol
    dataset = read_split(asked.data, asked.split)
    pairs = protocol.draw(dataset)
    if processes.leads:
        _say_what_is_left_out(dataset, pairs, protocol)
    watch = ImageWatch(pairs, dataset.source)
    device = (
        f"cuda:{processes.local_index}" if asked.device == "cuda" and processes.count > 1 else asked.device
    )
    methods, identities = _methods(asked, device)
    about = {
        "data": {
            "split": asked.split,
            "annotations": sha256(dataset.source),
        },
        "protocol": asdict(protocol),
    }
    ours = [about, identities, watch.fingerprint]
    if any(each != ours for each in processes.gather([ours])):
        raise ValueError("the processes don't evaluate the same: all need the same model, data and options")
    result_log = None if asked.out is None else ResultLog(asked.out, about, identities, processes.index)
    chunks = _chunks(pairs, protocol.batch_size)
    reports = {}
    for name, predict in methods.items():
        mine = range(processes.index, len(chunks), processes.count)
        rows = {}
        for number, batch in ({} if result_log is None else result_log.done(name)).items():
            watch.compare(chunks[number], batch.sizes)
            rows[number] = batch.rows
        count = sum(len(chunks[number]) for number in mine)
        done = sum(len(chunks[number]) for number in mine if number in rows)
        for number in mine:
            if number not in rows:
                chunk = chunks[number]
                rows[number] = measure(chunk, predict(chunk))
                watch.check(chunk)
                if result_log is not None:
                    result_log.add(name, number, Batch(watch.sizes(chunk), rows[number]))
                done += len(chunk)
            if on_progress is not None:
                on_progress(name, done, count)
        own = [(number, rows[number]) for number in mine]
        joined = dict(processes.gather(own))
        reports[name] = report_of(pairs, [row for number in sorted(joined) for row in joined[number]])
    return reports


def _say_what_is_left_out(dataset: Dataset, pairs: Sequence[Pair], protocol: Protocol) -> None:
    """Warn of categories that are asked for and have no pair."""
    asked = {pair.category_id for pair in pairs}
    for number in protocol.categories or dataset.categories:
        if number not in asked:
            count = len(dataset.instances_of(number))
            LOGGER.warning(
                "category %d is left out: of its %d instances no %d show a common keypoint",
                number,
                count,
                protocol.shots + 1,
            )


def _methods(asked: EvaluationConfig, device: str) -> tuple[dict[str, Predict], dict[str, str]]:
    """What is asked, and what tells whether it is still the same, by name."""
    methods: dict[str, Predict] = {}
    identities: dict[str, str] = {}
    if asked.model is not None:
        name = str(asked.model)
        methods[name] = open_predictor(
            asked.model, device=device, backend=asked.backend, max_keypoints=asked.max_keypoints
        )
        settings = {"device": asked.device, "backend": asked.backend, "max_keypoints": asked.max_keypoints}
        identities[name] = model_identity(asked.model, **settings)
    if asked.baselines:
        simple = {"copy the support": on_crops(copy_support)}
        simple |= {name: on_crops(method.locate) for name, method in nearest_neighbours().items()}
        methods |= simple
        identities |= {name: name for name in simple}
    return methods, identities


def _chunks(pairs: Sequence[Pair], size: int) -> list[Sequence[Pair]]:
    return [pairs[start : start + size] for start in range(0, len(pairs), size)]
