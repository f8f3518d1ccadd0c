# SPDX-License-Identifier: Apache-2.0
"""The batches of a run, in an order that follows from the step alone."""

from __future__ import annotations

import mmap
import os
import pickle
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.reduction import DupFd
from typing import Any

import cv2
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from fmmp_train.data.examples.dataset import Batch, Example, Mixture, collate


def batches(
    mixture: Mixture,
    *,
    batch_size: int,
    start: int,
    stop: int,
    rank: int = 0,
    processes: int = 1,
    parts: int = 1,
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
        parts: how many equal parts each of them will cut its batch into.
        workers: processes that make examples; 0 makes them in this one.

    Raises:
        ValueError: a batch can't be cut evenly.
        ChildProcessError: a worker died; in the iterator.
    """
    if batch_size % (processes * parts):
        raise ValueError(
            f"batch_size ({batch_size}) must be a multiple of the number of processes ({processes})"
            + (f" times accumulate ({parts})" if parts > 1 else "")
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
    return _iterate(loader)


def cut(batch: Batch, parts: int) -> list[Batch]:
    """Equal parts of a batch, in order."""
    return [Batch(*columns) for columns in zip(*(column.chunk(parts) for column in batch), strict=True)]


def _iterate(loader: DataLoader[Example]) -> Iterator[Batch]:
    """The loader's batches; the death of a worker is noticed when its batch is due, so between two steps."""
    try:
        yield from _unwatched(loader)
    except (
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
    ) as error:  # the connection broke, in one way or another
        if not loader.num_workers:
            raise
        if str(error).startswith("Caught ") and isinstance(error, (OSError, ValueError)):
            reason = re.sub(r"^[\w.]+: ", "", str(error).strip().splitlines()[-1])  # behind its traceback
            raise type(error)(reason) from error
        if str(error).startswith("Caught ") or isinstance(error, ValueError):  # of a living one
            raise
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise ChildProcessError(
            f"a worker died, of lack of memory perhaps: try fewer --workers ({what})"
        ) from error


def _unwatched(loader: DataLoader[Example]) -> Iterator[Batch]:
    """Start the workers without torch's signal handler, which would raise in the middle of a step."""
    if os.name == "nt" or threading.current_thread() is not threading.main_thread():  # it sets none there
        return iter(loader)
    former = signal.getsignal(signal.SIGCHLD)
    iterator = iter(loader)
    signal.signal(signal.SIGCHLD, former)
    return iterator


class _Examples(TorchDataset[Example]):
    """A mixture under the name that `DataLoader` asks for.

    A worker gets it in an unnamed file. The usual way is a pipe whose reading end this process holds too: it
    would wait there for ever where a worker dies before it has read what is larger than a pipe.
    """

    def __init__(self, mixture: Mixture) -> None:
        self._mixture = mixture
        self._file: Any = None  # IO[bytes], once a worker was started

    def __getitem__(self, index: int) -> Example:
        return self._mixture[index]

    def __reduce__(self) -> tuple[Callable[..., _Examples], tuple[object, ...]]:
        if os.name == "nt":  # has no such files, and its pipes end with their reader
            return _Examples, (self._mixture,)
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the data set
            pickle.dump(self._mixture, self._file)
            self._file.flush()
        return _receive, (DupFd(self._file.fileno()),)


def _receive(handle: Any) -> _Examples:  # noqa: ANN401  # of a private type
    """Read what `_Examples` sent; by its address, as all workers share the file's position."""
    with (
        os.fdopen(handle.detach(), "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
    ):
        return _Examples(pickle.loads(view))


def _start_worker(_: int) -> None:
    cv2.setNumThreads(1)  # the workers are the parallelism
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches them too, and is a request to the run
