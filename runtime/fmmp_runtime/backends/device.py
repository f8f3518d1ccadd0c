# SPDX-License-Identifier: Apache-2.0
"""The GPU as the runtime sees it: everything that touches one is behind this interface.

`fmmp_runtime.backends.cuda` has the real one; tests put another in its place.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.backends import BackendError

ALIGNMENT = 256  # bytes; enough for every tensor that TensorRT takes

Graph = TypeVar("Graph")


class DeviceError(BackendError):
    """The GPU, or its driver, refuses something."""


class DeviceMemoryError(DeviceError):
    """Not enough free memory on the GPU; nothing was changed."""


class Device(Protocol[Graph]):
    """One GPU, one stream: all work is done in the order in which it is asked for.

    A device address is a number. Methods that move data or start work return at once, and the host's arrays
    must be left alone until `wait`; pinned ones are copied while the host works on. Everything is called by
    one thread at a time, inside `current`.

    Raises of all methods:
        DeviceError: says what the driver said.
    """

    stream: int  # cudaStream_t, for TensorRT

    def current(self) -> AbstractContextManager[None]:
        """Make the GPU's context that of this thread."""
        ...

    def allocate(self, size: int) -> int:
        """Address of `size` bytes.

        Raises:
            DeviceMemoryError: there are not so many.
        """
        ...

    def free(self, address: int) -> None:
        """Give back what `allocate` gave; no work may still use it."""
        ...

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Host memory (size,) that the GPU copies from and to by itself.

        Raises:
            DeviceMemoryError: there are not so many.
        """
        ...

    def upload(self, address: int, host: NDArray[Any]) -> None:
        """Copy a contiguous array to the device."""
        ...

    def download(self, host: NDArray[Any], address: int) -> None:
        """Fill a contiguous array from the device."""
        ...

    def copy(self, target: int, source: int, size: int) -> None:
        """Copy `size` bytes on the device."""
        ...

    def crop(self, crops: int, sources: int, count: int, size: int) -> None:
        """Make `count` crops (size, size, 3) of as many `crops.SOURCE`; both are device addresses."""
        ...

    def record(self, work: Callable[[], None]) -> Graph:
        """Record what `work` asks for, without doing it; it may neither allocate nor wait."""
        ...

    def replay(self, graph: Graph) -> None:
        """Do what was recorded, with what the memory holds by then."""
        ...

    def wait(self) -> None:
        """Return when all work is done."""
        ...
