# SPDX-License-Identifier: Apache-2.0
"""Frames on their way to the GPU, which crops them there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.backends import Query
from fmmp_runtime.backends.device import ALIGNMENT, Device
from fmmp_runtime.pose import invert_matrix

# One crop, as fmmp::CropSource of trt_plugins/include/fmmp/crop.h.
SOURCE = np.dtype(
    [
        ("pixels", np.uint64),  # device address of RGB uint8
        ("height", np.int32),
        ("width", np.int32),
        ("row_bytes", np.int64),
        ("inverse", np.float64, (2, 3)),  # crop pixels -> frame pixels
    ]
)


class FrameBuffer:
    """One pinned buffer and one on the device, as large as the largest frames so far; nothing else grows."""

    def __init__(self, device: Device[Any]) -> None:
        """Start empty."""
        self._device = device
        self._host = np.zeros(0, np.uint8)
        self._address = 0  # none yet

    def upload(self, queries: Sequence[Query], sources: NDArray[Any]) -> None:
        """Send the frames on their way, each once, and say in `sources` (N,) how to crop them.

        Raises:
            DeviceMemoryError: the frames are too many or too large; those of before still fit.
        """
        frames = {id(query.frame): query.frame for query in queries}
        starts, size = {}, 0
        for key, frame in frames.items():
            starts[key] = size
            size += -(-frame.nbytes // ALIGNMENT) * ALIGNMENT
        if size > len(self._host):
            self._grow(size)
        for key, frame in frames.items():
            np.copyto(self._host[starts[key] :][: frame.nbytes].reshape(frame.shape), frame)
        self._device.upload(self._address, self._host[:size])
        for source, query in zip(sources, queries, strict=True):
            height, width, _ = query.frame.shape
            source["pixels"] = self._address + starts[id(query.frame)]
            source["height"], source["width"] = height, width
            source["row_bytes"] = 3 * width
            source["inverse"] = invert_matrix(query.matrix)

    def _grow(self, size: int) -> None:
        host, address = self._device.pinned(size), self._device.allocate(size)
        if self._address:
            self._device.free(self._address)
        self._host, self._address = host, address
