# SPDX-License-Identifier: Apache-2.0
"""An engine with its memory on the GPU: one for any graph, one that is fast for the query graphs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.backends import Answers, BackendError
from fmmp_runtime.backends.crops import SOURCE
from fmmp_runtime.backends.device import ALIGNMENT, Device, Graph
from fmmp_runtime.backends.engine import OpenEngine
from fmmp_runtime.bundle.specs import GraphSpec, TensorSpec


def num_bytes(tensor: TensorSpec) -> int:
    """Size of a tensor."""
    return int(np.prod(tensor.shape, dtype=np.int64)) * np.dtype(tensor.dtype).itemsize


def layout(tensors: list[TensorSpec]) -> tuple[dict[str, int], int]:
    """Where each tensor starts in one piece of memory, and how large that must be."""
    starts, size = {}, 0
    for tensor in tensors:
        starts[tensor.name] = size
        size += -(-num_bytes(tensor) // ALIGNMENT) * ALIGNMENT
    return starts, size


class EngineSession(Generic[Graph]):
    """An engine whose inputs and outputs lie in one piece of device memory."""

    def __init__(self, device: Device[Graph], engine: OpenEngine, graph: GraphSpec, spare: int = 0) -> None:
        """Allocate, with so many spare bytes at the end; to be prepared before use.

        Raises:
            DeviceMemoryError: there is no room; nothing is kept then.
        """
        self.device, self.engine, self.graph = device, engine, graph
        starts, self._size = layout([*graph.inputs, *graph.outputs])
        self._answers = {t.name: _view(device.pinned(num_bytes(t)), t) for t in graph.outputs}
        self._first = device.allocate(self._size + spare)
        self.addresses = {name: self._first + start for name, start in starts.items()}

    def prepare(self) -> None:
        """Set all inputs to 0 and tell TensorRT where everything lies.

        Raises:
            BackendError: TensorRT or the GPU refuses; only `free` may follow.
        """
        self.device.upload(self._first, np.zeros(self._size, np.uint8))
        self.device.wait()  # the zeros are no pinned memory
        for name, address in self.addresses.items():
            self.engine.bind(name, address)

    def free(self) -> None:
        """Give the memory back."""
        self.device.free(self._first)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run on named arrays; all outputs by name, which are the caller's.

        Raises:
            BackendError: an input is missing or of another type or shape; or TensorRT refuses.
        """
        arrays = [(spec.name, _checked(spec, inputs, self.graph)) for spec in self.graph.inputs]
        for name, array in arrays:
            self.device.upload(self.addresses[name], array)
        self.engine.run(self.device.stream)
        return self._fetch()

    def _fetch(self) -> dict[str, NDArray[Any]]:
        """Wait for the outputs of what was started."""
        for name, answer in self._answers.items():
            self.device.download(answer, self.addresses[name])
        self.device.wait()
        return {name: answer.copy() for name, answer in self._answers.items()}


@dataclass(frozen=True, eq=False)
class HeldState:
    """A support state on the device."""

    address: int
    starts: dict[str, int]  # of each tensor


class QuerySession(EngineSession[Graph]):
    """A query graph for N frames, as one CUDA graph: fetch the sources, crop, run, bring the answers.

    Its addresses never change, so it is recorded once. Each frame has a slot, into which its support state is
    copied on the device when another one was there before.
    """

    def __init__(
        self,
        device: Device[Graph],
        engine: OpenEngine,
        graph: GraphSpec,
        states: list[TensorSpec],
        count: int,
    ) -> None:
        """Allocate; to be prepared before use.

        Args:
            device: the GPU.
            engine: of `graph`.
            graph: a query graph.
            states: tensors of the support state of one frame.
            count: N.

        Raises:
            DeviceMemoryError: there is no room; nothing is kept then.
        """
        self.sources: NDArray[Any] = device.pinned(count * SOURCE.itemsize).view(SOURCE)
        super().__init__(device, engine, graph, spare=self.sources.nbytes)
        self._sources_address = self._first + self._size
        self._crop_size = graph.shape("query")[1]
        self._states = states
        self._slots: list[HeldState | None] = [None] * count

    def prepare(self) -> None:
        """Likewise; run once on black crops, and record."""
        super().prepare()
        self.sources[:] = np.zeros(len(self.sources), SOURCE)  # no pixels
        self._work()  # TensorRT sets itself up in its first run, which can't be recorded
        self.device.wait()
        self.engine.ready()
        self._recorded = self.device.record(self._work)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Likewise; what the slots held is overwritten."""
        self.forget()
        return super().run(inputs)

    def put_states(self, states: list[HeldState]) -> None:
        """See that slot n holds state n."""
        for slot, state in enumerate(states):
            if self._slots[slot] is state:
                continue
            self._slots[slot] = None  # until the copies are asked for
            for tensor in self._states:
                size = num_bytes(tensor)
                target = self.addresses[tensor.name] + slot * size
                self.device.copy(target, state.address + state.starts[tensor.name], size)
            self._slots[slot] = state

    def locate(self) -> Answers:
        """Do it for what `sources` says; points, score and presence.

        Raises:
            DeviceError: the GPU refuses.
        """
        self.device.replay(self._recorded)
        self.device.wait()
        presence = self._answers.get("presence")
        return Answers(
            points=self._answers["points"].copy(),
            score=self._answers["score"].copy(),
            presence=None if presence is None else presence.copy(),
        )

    def forget(self) -> None:
        """Take it that the slots hold nothing."""
        self._slots = [None] * len(self._slots)

    def _work(self) -> None:
        self.device.upload(self._sources_address, self.sources.view(np.uint8))
        self.device.crop(self.addresses["query"], self._sources_address, len(self.sources), self._crop_size)
        self.engine.run(self.device.stream)
        for name, answer in self._answers.items():
            self.device.download(answer, self.addresses[name])


def hold_state(
    device: Device[Any], tensors: Mapping[str, NDArray[Any]], specs: list[TensorSpec]
) -> HeldState:
    """Put a support state on the device.

    Raises:
        DeviceMemoryError: there is no room.
    """
    starts, size = layout(specs)
    address = device.allocate(size)
    for spec in specs:
        device.upload(address + starts[spec.name], np.ascontiguousarray(tensors[spec.name]))
    device.wait()  # they are no pinned memory
    return HeldState(address, starts)


def _view(memory: NDArray[np.uint8], tensor: TensorSpec) -> NDArray[Any]:
    return memory.view(tensor.dtype).reshape(tensor.shape)


def _checked(spec: TensorSpec, inputs: Mapping[str, NDArray[Any]], graph: GraphSpec) -> NDArray[Any]:
    array = inputs.get(spec.name)
    if array is None or array.dtype != spec.dtype or list(array.shape) != spec.shape:
        came = "nothing" if array is None else f"{array.dtype} {list(array.shape)}"
        raise BackendError(f"{graph.file} takes {spec.name} as {spec.dtype} {spec.shape}, got {came}")
    return np.ascontiguousarray(array)
