# SPDX-License-Identifier: Apache-2.0
"""A GPU made of host memory: nothing is done before `wait`, and what is wrong on a real one fails here."""

import ctypes
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.backends.device import DeviceError, DeviceMemoryError

Work = Callable[[], None]
STREAMS: dict[int, "FakeDevice"] = {}  # where a fake engine finds the device that it is to run on


def memory(address: int, size: int) -> NDArray[np.uint8]:
    """The bytes at an address."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


class FakeDevice:
    """Counts what is asked of it. Memory is poisoned, so that what nobody wrote is seen."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self.stream = 1000 + len(STREAMS)
        STREAMS[self.stream] = self
        self.limit = 1 << 40  # bytes
        self.memory: dict[int, NDArray[np.uint8]] = {}
        self.queue: list[Work] = []
        self.recording: list[Work] | None = None
        self.owner: int | None = None
        self.records = self.replays = self.copies = self.uploaded = 0
        self.broken = ""  # what `wait` says
        self.crops: list[NDArray[np.uint8]] = []

    @property
    def allocated(self) -> int:
        return sum(map(len, self.memory.values()))

    def enqueue(self, work: Work) -> None:
        assert self.owner == threading.get_ident()
        (self.queue if self.recording is None else self.recording).append(work)

    @contextmanager
    def current(self) -> Iterator[None]:
        assert self.owner in (None, threading.get_ident()), "two threads at once"
        before, self.owner = self.owner, threading.get_ident()
        yield_ok = False
        try:
            yield
            yield_ok = True
        finally:
            self.owner = before
            assert not (yield_ok and before is None and self.queue), "something is still on its way"

    def allocate(self, size: int) -> int:
        assert self.recording is None
        if self.allocated + size > self.limit:
            raise DeviceMemoryError(f"out of memory: allocating {size} bytes failed")
        piece = np.full(size, 0xCD, np.uint8)
        self.memory[piece.ctypes.data] = piece
        return piece.ctypes.data

    def free(self, address: int) -> None:
        assert not self.queue, "freed while work is on its way"
        self.memory.pop(address)[:] = 0xDD

    def pinned(self, size: int) -> NDArray[np.uint8]:
        return np.full(size, 0xCD, np.uint8)

    def upload(self, address: int, host: NDArray[Any]) -> None:
        assert host.flags.c_contiguous
        self._owned(address, host.nbytes)
        self.uploaded += host.nbytes

        def work() -> None:
            memory(address, host.nbytes)[:] = host.reshape(-1).view(np.uint8)

        self.enqueue(work)

    def download(self, host: NDArray[Any], address: int) -> None:
        assert host.flags.c_contiguous
        self._owned(address, host.nbytes)

        def work() -> None:
            host.reshape(-1).view(np.uint8)[:] = memory(address, host.nbytes)

        self.enqueue(work)

    def copy(self, target: int, source: int, size: int) -> None:
        self._owned(target, size)
        self._owned(source, size)
        self.copies += 1

        def work() -> None:
            memory(target, size)[:] = memory(source, size)

        self.enqueue(work)

    def crop(self, crops: int, sources: int, count: int, size: int) -> None:
        self._owned(crops, count * size * size * 3)
        self._owned(sources, count * 72)

        def work() -> None:
            for number in range(count):
                pixels, height, width, row, *inverse = struct.unpack(
                    "<Qiiq6d", memory(sources + 72 * number, 72).tobytes()
                )
                target = memory(crops + number * size * size * 3, size * size * 3).reshape(size, size, 3)
                target[:] = 0
                if height and width:
                    self._owned(pixels, height * row)
                    image = memory(pixels, height * row).reshape(height, row)[:, : 3 * width]
                    target[:] = cv2.warpAffine(
                        np.ascontiguousarray(image).reshape(height, width, 3),
                        np.array(inverse).reshape(2, 3),
                        (size, size),
                        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    )

        self.enqueue(work)

    def record(self, work: Work) -> list[Work]:
        assert self.recording is None
        assert not self.queue
        self.recording, made = [], []
        try:
            work()
            made = self.recording
        finally:
            self.recording = None
        self.records += 1
        return made

    def replay(self, graph: list[Work]) -> None:
        self.replays += 1
        for work in graph:
            self.enqueue(work)

    def wait(self) -> None:
        assert self.recording is None
        if self.broken:
            self.queue.clear()
            raise DeviceError(self.broken)
        while self.queue:
            self.queue.pop(0)()

    def _owned(self, address: int, size: int) -> None:
        assert any(a <= address and address + size <= a + len(m) for a, m in self.memory.items())
