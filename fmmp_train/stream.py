# SPDX-License-Identifier: Apache-2.0
"""The batches of a run, in an order that follows from the step alone."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from fmmp_train.data.dataset import Batch, Example, Mixture, collate


def batches(
    mixture: Mixture,
    *,
    batch_size: int,
    start: int,
    stop: int,
    rank: int = 0,
    processes: int = 1,
    workers: int = 0,
) -> Iterator[Batch]:
    """Yield the batches of steps `start` to `stop` - 1.

    Step s is made of examples s * batch_size onwards, whatever came before, however many processes share it.

    Args:
        mixture: examples by index.
        batch_size: pairs of a step, over all processes.
        start: first step.
        stop: step after the last.
        rank: of this process.
        processes: how many there are; they share a step's pairs evenly.
        workers: processes that make examples; 0 makes them in this one.

    Raises:
        ValueError: the processes can't share a batch evenly.
    """
    if batch_size % processes:
        raise ValueError(
            f"batch_size ({batch_size}) must be a multiple of the number of processes ({processes})"
        )
    share = batch_size // processes
    first = rank * share
    starts = range(start * batch_size + first, stop * batch_size + first, batch_size)
    loader = DataLoader(
        _Examples(mixture),
        batch_sampler=[list(range(at, at + share)) for at in starts],
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=_start_worker,
        multiprocessing_context="spawn" if workers else None,  # OpenCV and OpenMP hang in forked processes
    )
    return iter(loader)


class _Examples(TorchDataset[Example]):
    """A mixture under the name that `DataLoader` asks for."""

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture

    def __getitem__(self, index: int) -> Example:
        return self._mixture[index]


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)  # the workers are the parallelism
