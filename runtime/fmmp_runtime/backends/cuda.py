# SPDX-License-Identifier: Apache-2.0
"""An NVIDIA GPU through PyCUDA; CUDA graphs, which PyCUDA lacks, through the driver itself."""

import atexit
import contextlib
import ctypes
import functools
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.backends.device import DeviceError, DeviceMemoryError
from fmmp_runtime.backends.gpu import DRIVER

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: the stream does not wait for the default one of the host program
THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads may allocate meanwhile


class CudaDevice:
    """The first GPU, in the context that it shares with TensorRT and the CUDA runtime."""

    def __init__(self, library: Path) -> None:
        """Open it.

        Args:
            library: the operator library for TensorRT, which holds the crop's kernel.

        Raises:
            DeviceError: there is no GPU, or the library is not one of ours.
        """
        import pycuda.driver

        self._cuda = pycuda.driver
        self._driver = ctypes.CDLL(DRIVER)
        try:
            self._crop = ctypes.CDLL(str(library)).fmmp_crop
        except (OSError, AttributeError) as error:
            raise DeviceError(f"{library} has no crop for the GPU: build it again ({error})") from error
        self._crop.argtypes = (
            *(ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32),
            ctypes.c_void_p,
        )
        self._memory: dict[int, Any] = {}  # address -> what owns it
        with self._errors("opening the GPU"):
            self._context = _context()
        with self.current(), self._errors("opening the GPU"):
            self._streams = [self._cuda.Stream(NON_BLOCKING)]  # in a list that `_close` empties
        self.stream = int(self._streams[0].handle)
        weakref.finalize(self, _close, self._context, self._memory, self._streams).atexit = False

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """See Device."""
        self._context.push()
        try:
            yield
        finally:
            self._cuda.Context.pop()

    def allocate(self, size: int) -> int:
        """See Device."""
        with self._errors(f"allocating {size / 1e6:.1f} MB"):
            memory = self._cuda.mem_alloc(max(size, 1))
        address = int(memory)
        self._memory[address] = memory
        return address

    def free(self, address: int) -> None:
        """See Device."""
        with self._errors("freeing memory"):
            self._memory.pop(address).free()

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """See Device."""
        with self._errors(f"pinning {size / 1e6:.1f} MB of the host"):
            memory: NDArray[np.uint8] = self._cuda.pagelocked_empty(max(size, 1), np.uint8)
        return memory[:size]

    def upload(self, address: int, host: NDArray[Any]) -> None:
        """See Device."""
        with self._errors("copying to the GPU"):
            self._cuda.memcpy_htod_async(address, host, self._streams[0])

    def download(self, host: NDArray[Any], address: int) -> None:
        """See Device."""
        with self._errors("copying from the GPU"):
            self._cuda.memcpy_dtoh_async(host, address, self._streams[0])

    def copy(self, target: int, source: int, size: int) -> None:
        """See Device."""
        with self._errors("copying on the GPU"):
            self._cuda.memcpy_dtod_async(target, source, size, self._streams[0])

    def crop(self, crops: int, sources: int, count: int, size: int) -> None:
        """See Device."""
        if status := self._crop(sources, count, crops, size, self.stream):
            raise DeviceError(f"the crop on the GPU failed with CUDA error {status}")

    def record(self, work: Callable[[], None]) -> ctypes.c_void_p:
        """See Device."""
        graph, made = ctypes.c_void_p(), ctypes.c_void_p()
        stream = ctypes.c_void_p(self.stream)
        self._call("cuStreamBeginCapture_v2", stream, ctypes.c_int(THREAD_LOCAL))
        try:
            work()
        except BaseException:
            self._driver.cuStreamEndCapture(stream, ctypes.byref(graph))
            self._driver.cuGraphDestroy(graph)  # refuses the null of a capture that was broken
            raise
        self._call("cuStreamEndCapture", stream, ctypes.byref(graph))
        try:
            self._call("cuGraphInstantiateWithFlags", ctypes.byref(made), graph, ctypes.c_ulonglong(0))
        finally:
            self._driver.cuGraphDestroy(graph)
        return made

    def replay(self, graph: ctypes.c_void_p) -> None:
        """See Device."""
        self._call("cuGraphLaunch", graph, ctypes.c_void_p(self.stream))

    def wait(self) -> None:
        """See Device."""
        with self._errors("the work on the GPU"):
            self._streams[0].synchronize()

    def _call(self, name: str, *arguments: Any) -> None:  # noqa: ANN401  # ctypes
        """Call the driver; a status that is not 0 becomes an error."""
        if status := getattr(self._driver, name)(*arguments):
            word = ctypes.c_char_p()
            self._driver.cuGetErrorName(status, ctypes.byref(word))
            raise DeviceError(f"{name} failed: {(word.value or b'unknown').decode()} ({status})")

    @contextlib.contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Give PyCUDA's errors our names."""
        try:
            yield
        except self._cuda.MemoryError as error:
            free, total = self._cuda.mem_get_info()
            raise DeviceMemoryError(
                f"out of memory: {what} failed with {free / 1e6:.0f} of {total / 1e6:.0f} MB of the GPU "
                "free; end other programs on it, or use backend='onnxruntime'"
            ) from error
        except self._cuda.Error as error:
            raise DeviceError(f"{what} failed: {error}") from error


@functools.cache
def _context() -> Any:  # noqa: ANN401  # PyCUDA's
    """The context of the first GPU for the whole process, which PyCUDA must be told to leave at the end."""
    import pycuda.driver

    pycuda.driver.init()
    context = pycuda.driver.Device(0).retain_primary_context()
    atexit.register(context.detach)
    return context


def _close(context: Any, memory: dict[int, Any], streams: list[Any]) -> None:  # noqa: ANN401  # PyCUDA's
    """Give back what a device owned, on whatever thread it died."""
    context.push()
    try:
        for piece in memory.values():
            piece.free()
        memory.clear()
        streams.clear()
    finally:
        context.pop()
