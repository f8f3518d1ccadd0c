# SPDX-License-Identifier: Apache-2.0
"""Evaluate a model, and the baselines, on the same pairs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fmmp_runtime.files import sha256
from fmmp_train.data import Dataset, read_split
from fmmp_train.evaluation.baselines import copy_support, nearest_neighbours
from fmmp_train.evaluation.evaluate import Predict, Report, measure, on_crops, report_of
from fmmp_train.evaluation.fingerprint import ImageWatch, model_identity
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.evaluation.predictors import open_predictor
from fmmp_train.evaluation.protocol import Protocol
from fmmp_train.evaluation.result_log import Batch, ResultLog
from fmmp_train.processes import Processes

LOGGER = logging.getLogger(__name__)


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
    links_from: int | None = None  # number of the first keypoint in the skeletons; None: as the file says
    out: Path | None = None  # folder that every batch is written to, and read from when it was begun before


def compare(
    config: EvaluationConfig,
    *,
    processes: Processes | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Report]:
    """Evaluate, with all processes together, each of which answers every n-th batch.

    Args:
        config: what on which data.
        processes: this process among those that share the work; None: alone.
        on_progress: called with the method, the pairs of this process that are done, and all of its pairs.

    Returns:
        Report by method, the same in every process.

    Raises:
        OSError: a file is missing or unreadable.
        ValueError: model or data are wrong, don't fit, or are not those that `config.out` was begun with.
    """
    processes = processes or Processes()
    protocol = config.protocol
    dataset = read_split(config.data, config.split, links_from=config.links_from)
    pairs = protocol.draw(dataset)
    if processes.leads:
        _say_what_is_left_out(dataset, pairs, protocol)
    watch = ImageWatch(pairs, dataset.source)
    device = (
        f"cuda:{processes.local_index}" if config.device == "cuda" and processes.count > 1 else config.device
    )
    methods, identities = _methods(config, device)
    about = {
        "data": {
            "split": config.split,
            "annotations": sha256(dataset.source),
        }
        | ({} if config.links_from is None else {"links_from": config.links_from}),
        "protocol": asdict(protocol),
    }
    ours = [about, identities, watch.fingerprint]
    if any(each != ours for each in processes.gather([ours])):
        raise ValueError("the processes don't evaluate the same: all need the same model, data and options")
    result_log = None if config.out is None else ResultLog(config.out, about, identities, processes.index)
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
    """Warn of chosen categories without a pair."""
    drawn = {pair.category_id for pair in pairs}
    for number in protocol.categories or dataset.categories:
        if number not in drawn:
            count = len(dataset.instances_of(number))
            LOGGER.warning(
                "category %d is left out: of its %d instances no %d show a common keypoint",
                number,
                count,
                protocol.shots + 1,
            )


def _methods(config: EvaluationConfig, device: str) -> tuple[dict[str, Predict], dict[str, str]]:
    """Each method by name, and the hash that tells whether it is still the same."""
    methods: dict[str, Predict] = {}
    identities: dict[str, str] = {}
    if config.model is not None:
        name = str(config.model)
        methods[name] = open_predictor(
            config.model, device=device, backend=config.backend, max_keypoints=config.max_keypoints
        )
        settings = {"device": config.device, "backend": config.backend, "max_keypoints": config.max_keypoints}
        identities[name] = model_identity(config.model, **settings)
    if config.baselines:
        simple = {"copy the support": on_crops(copy_support)}
        simple |= {name: on_crops(method.locate) for name, method in nearest_neighbours().items()}
        methods |= simple
        identities |= {name: name for name in simple}
    return methods, identities


def _chunks(pairs: Sequence[Pair], size: int) -> list[Sequence[Pair]]:
    return [pairs[start : start + size] for start in range(0, len(pairs), size)]
