# SPDX-License-Identifier: Apache-2.0
"""Runs PyCUDA, and our use of it, on the driver of tests/fakes/driver.cpp: `cuda_process.py LIBRARY`."""

import ctypes
import sys
import threading
from pathlib import Path

import numpy as np

from fmmp_runtime.backends import gpu
from fmmp_runtime.backends.cuda import CudaDevice
from fmmp_runtime.backends.device import DeviceError, DeviceMemoryError

library = Path(sys.argv[1])
driver = ctypes.CDLL(str(library))


def message(error: type[DeviceError], work: object) -> str:
    """What this error says, which `work` must raise."""
    assert callable(work)
    try:
        work()
    except error as raised:
        return str(raised)
    raise AssertionError(f"no {error.__name__}")


def main() -> None:
    assert gpu.architecture() == "sm86"
    device = CudaDevice(library)
    assert device.stream == 0x5000
    with device.current():
        here, there = device.allocate(1000), device.allocate(1000)
        before, after = device.pinned(1000), device.pinned(1000)
        before[:] = np.arange(1000) % 251

        device.upload(here, before)
        device.copy(there, here, 1000)
        device.download(after, there)
        assert not after.any()  # nothing is done yet
        device.wait()
        np.testing.assert_array_equal(after, before)

        structured = np.zeros(3, np.dtype([("a", np.uint64), ("b", np.float64, 2)]))
        structured["b"] = 3
        back = np.zeros_like(structured)
        device.upload(here, structured.view(np.uint8))
        device.download(back.view(np.uint8), here)
        device.wait()
        np.testing.assert_array_equal(back, structured)

        def work() -> None:
            device.upload(here, before)
            device.crop(there, here, 2, 10)
            device.download(after[:600], there)

        graph = device.record(work)
        assert driver.fake_live_graphs() == 0  # the executable one stays
        after[:] = 0
        for level in (7, 9):
            before[:] = level
            device.replay(graph)
            device.wait()
            assert (after[:600] == level).all()
            assert not after[600:].any()

        def faulty() -> None:
            work()
            device.allocate(1)

        says = message(DeviceError, lambda: device.record(faulty))
        assert says == "cuStreamEndCapture failed: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED (901)", says
        says = message(DeviceError, lambda: device.record(lambda: device.wait()))
        assert says.startswith("the work on the GPU failed: "), says
        device.replay(device.record(work))  # both left the stream as it was
        device.wait()

        says = message(DeviceMemoryError, lambda: device.allocate(3 << 30))
        assert "allocating 3221.2 MB failed with 5 of 8000 MB of the GPU free" in says, says
        says = message(DeviceMemoryError, lambda: device.pinned(3 << 30))
        assert "pinning 3221.2 MB of the host" in says, says

    says = message(DeviceError, lambda: device.upload(here, before))
    assert "invalid device context" in says or "cuMemcpyHtoDAsync" in says, says

    def elsewhere() -> None:
        with device.current():
            address = device.allocate(10)
            device.upload(address, before[:10])
            device.wait()
            device.free(address)
        done.append(True)

    done: list[bool] = []
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert done

    live = driver.fake_live_memory()
    with device.current():
        device.free(here)
        device.free(there)
    assert driver.fake_live_memory() == live - 2


def dropped() -> None:
    """A device that dies on another thread leaves nothing behind."""
    live = driver.fake_live_memory()
    devices = [CudaDevice(library)]
    with devices[0].current():
        devices[0].allocate(10)
    thread = threading.Thread(target=devices.clear)
    thread.start()
    thread.join()
    assert driver.fake_live_memory() == live
    assert driver.fake_live_streams() == 0
    print("done")


main()
dropped()
