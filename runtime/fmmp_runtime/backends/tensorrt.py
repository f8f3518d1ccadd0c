# SPDX-License-Identifier: Apache-2.0
"""Run the engines of a bundle on an NVIDIA GPU, with TensorRT or TensorRT-RTX."""

import importlib
import importlib.util
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from fmmp_runtime import operators
from fmmp_runtime.backends import Answers, BackendError, Query, gpu
from fmmp_runtime.backends.crops import FrameBuffer
from fmmp_runtime.backends.device import Device, DeviceError
from fmmp_runtime.backends.engine import OpenEngine, Runtime
from fmmp_runtime.backends.session import EngineSession, HeldState, QuerySession, hold_state
from fmmp_runtime.backends.states import StateCache, States
from fmmp_runtime.bundle.engines import MODULES, TITLES, EngineKey
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.files import sha256

HELD_STATES = 64  # categories whose state stays on the GPU


def lacking(backend: str) -> list[str]:
    """What this machine lacks to run engines with "tensorrt" or "tensorrt-rtx": nothing, or all of it."""
    missing = [
        f"the Python package {module} is not installed: pip install 'fmmp[{backend}]'"
        for module in (MODULES[backend], "pycuda")
        if not _is_package(module)
    ]
    for ask in (lambda: operators.library("tensorrt"), gpu.architecture):
        try:
            ask()
        except OSError as error:
            missing.append(str(error))
    if not missing:
        for module in (MODULES[backend], "pycuda.driver"):
            try:
                importlib.import_module(module)
            except (ImportError, OSError, RuntimeError) as error:  # of it, or of a library that it loads
                missing.append(f"the Python package {module} is installed but does not load: {error}")
    return missing


def engine_key(backend: str, graph: str) -> EngineKey:
    """What an engine must be for, to run here; nothing may be lacking."""
    return EngineKey(
        graph=graph,
        backend=backend,
        version=importlib.import_module(MODULES[backend]).__version__,
        arch=gpu.architecture(),
        plugin=sha256(operators.library("tensorrt")),
    )


class TensorRtBackend:
    """All of a bundle's engines on one stream; threads wait for each other.

    A frame goes to pinned memory and from there to the GPU, which crops it and runs the query engine in one
    CUDA graph. A support state goes there once and stays while it lives.
    """

    def __init__(self, bundle: Bundle, backend: str) -> None:
        """Open the GPU and start TensorRT.

        Args:
            bundle: with engines for this machine.
            backend: "tensorrt" or "tensorrt-rtx".

        Raises:
            BackendError: something is missing here; says all that is.
        """
        if missing := lacking(backend):
            raise BackendError(f"{TITLES[backend]} cannot run here: {'; '.join(missing)}")
        from fmmp_runtime.backends.cuda import CudaDevice

        library = operators.library("tensorrt")
        self._bundle = bundle
        self._key = engine_key(backend, "query")
        self._device: Device[Any] = CudaDevice(library)
        self._lock = threading.RLock()
        self._sessions: dict[str, EngineSession[Any]] = {}
        held = max(HELD_STATES, *bundle.model.batches)  # none may go while its batch waits for others
        self._states = StateCache(self._hold, held, self._drop)
        with self._device.current():
            self._runtime = Runtime(importlib.import_module(MODULES[backend]), backend, library)
            self._frames = FrameBuffer(self._device)
        self.description = f"{self._runtime.title} on {self._key.arch}, with the operator of {library}"

    def load(self, *graphs: str) -> None:
        """Open the engines of graphs and run them once.

        Raises:
            BackendError, EngineError: there is none for this machine, or it cannot run; says why.
        """
        with self._alone():
            for graph in graphs:
                self._session(graph)

    def run(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run a graph on named arrays; all of its outputs by name.

        Raises:
            BackendError, EngineError: there is no engine for it, or the inputs are not its own.
        """
        with self._alone():
            return self._session(graph).run(inputs)

    def locate(self, queries: Sequence[Query]) -> Answers:
        """Crop and run the query graph for so many frames, on the GPU.

        Raises:
            BackendError, EngineError: there is no engine for it, no memory, or the GPU refuses.
        """
        with self._alone():
            session = self._session(self._bundle.model.batches[len(queries)])
            assert isinstance(session, QuerySession)
            held = [self._states.get((query.state,)) for query in queries]
            self._frames.upload(
                queries, session.sources
            )  # may free memory, like the line before: nothing uses any
            session.put_states(held)
            return session.locate()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One thread at a time; after an error, nothing of it is left on the way."""
        with self._lock, self._device.current():
            try:
                yield
            except BaseException:
                for session in self._sessions.values():
                    if isinstance(session, QuerySession):
                        session.forget()
                with suppress(DeviceError):  # likewise
                    self._device.wait()
                raise

    def _session(self, graph: str) -> EngineSession[Any]:
        """The session of a graph, made when it is first asked for."""
        if graph not in self._sessions:
            session = self._new_session(graph)
            try:
                session.prepare()
            except BaseException:
                with suppress(DeviceError):  # the error itself says more
                    self._device.wait()
                session.free()
                raise
            self._sessions[graph] = session
        return self._sessions[graph]

    def _new_session(self, graph: str) -> EngineSession[Any]:
        model = self._bundle.model
        counts = {name: count for count, name in model.batches.items()}
        engine = self._open(graph)
        if graph not in counts:
            return EngineSession(self._device, engine, model.graphs[graph])
        return QuerySession(self._device, engine, model.graphs[graph], model.state_tensors, counts[graph])

    def _open(self, graph: str) -> OpenEngine:
        spec, content = self._bundle.engine(replace(self._key, graph=graph))
        file = self._bundle.path / spec.file
        return self._runtime.open(file, content, spec, self._bundle.model.graphs[graph])

    def _hold(self, states: States) -> HeldState:
        (state,) = states
        return hold_state(self._device, state.tensors, self._bundle.model.state_tensors)

    def _drop(self, held: HeldState) -> None:
        self._device.free(held.address)


def _is_package(name: str) -> bool:
    """Whether it can be imported; a folder without code is no package."""
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None
