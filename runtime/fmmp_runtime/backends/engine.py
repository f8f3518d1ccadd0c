# SPDX-License-Identifier: Apache-2.0
"""Engines opened with TensorRT 10, TensorRT 11 or TensorRT-RTX: the calls are the same but for RTX's cache.

`trt` is the module of the product; tests hold these calls against its published types.
"""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fmmp_runtime.backends import BackendError
from fmmp_runtime.bundle.engines import TITLES, EngineSpec, dtype_name
from fmmp_runtime.bundle.specs import GraphSpec
from fmmp_runtime.files import write_atomically

if TYPE_CHECKING:
    import tensorrt as trt

log = logging.getLogger("fmmp_runtime")


class Runtime:
    """Opens engines, and knows what TensorRT complained of last."""

    def __init__(self, trt: Any, backend: str, library: Path) -> None:  # noqa: ANN401  # a module
        """Start TensorRT.

        Args:
            trt: the imported module.
            backend: "tensorrt" or "tensorrt-rtx".
            library: of the operator.
        """
        self.title = f"{TITLES[backend]} {trt.__version__}"
        self._backend = backend
        self._library: Path | None = library  # None: it is loaded
        self._complaints: deque[str] = deque(maxlen=4)
        self._logger = make_logger(trt, self._complaints)
        self._runtime = trt.Runtime(self._logger)
        if backend == "tensorrt":
            trt.init_libnvinfer_plugins(self._logger, "")  # for graphs of `fmmp-export --msda nvidia`

    def open(self, file: Path, content: bytes, spec: EngineSpec, graph: GraphSpec) -> OpenEngine:
        """Load an engine and make it ready to run.

        Args:
            file: the engine's, for messages and for what is kept beside it.
            content: of the file; its hash was checked.
            spec: what model.json says of it.
            graph: what it must take and give.

        Raises:
            BackendError: TensorRT refuses it; says what TensorRT said.
        """
        self._complaints.clear()
        self._load_operator(spec)
        engine = self._runtime.deserialize_cuda_engine(content)
        if engine is None:
            raise self.error(f"cannot load {file}", "build it again with fmmp-export --bundle")
        check_interface(engine, graph, file)
        cache = RuntimeCache(engine, file) if self._backend == "tensorrt-rtx" else None
        context = engine.create_execution_context(*([cache.config] if cache else []))
        if context is None:
            raise self.error(f"cannot run {file}", "if it has no memory, end other programs on the GPU")
        return OpenEngine(self, file, engine, context, cache)

    def error(self, what: str, mend: str) -> BackendError:
        """An error with TensorRT's own words."""
        said = "; ".join(dict.fromkeys(self._complaints)) or "it does not say why"
        return BackendError(f"{self.title} {what}: {said}; {mend}")

    def _load_operator(self, spec: EngineSpec) -> None:
        """See that TensorRT knows our operator; it refuses a second copy of it."""
        if spec.plugin_inside:
            self._runtime.engine_host_code_allowed = True
        elif spec.plugin and self._library is not None:
            if self._runtime.get_plugin_registry().load_library(str(self._library)) is None:
                raise self.error(f"does not take {self._library}", "build it again")
            self._library = None


class OpenEngine:
    """An engine that can run. One thread at a time may use it."""

    def __init__(
        self,
        runtime: Runtime,
        file: Path,
        engine: trt.ICudaEngine,
        context: trt.IExecutionContext,
        cache: RuntimeCache | None,
    ) -> None:
        """Keep what it needs to live."""
        self.file = file
        self._runtime, self._engine, self._context, self._cache = runtime, engine, context, cache

    def bind(self, name: str, address: int) -> None:
        """Say where an input or output lies, for all runs.

        Raises:
            BackendError: it has none of that name.
        """
        if not self._context.set_tensor_address(name, address):
            raise self._runtime.error(f"does not take {name} of {self.file}", "build it again")

    def run(self, stream: int) -> None:
        """Put one run on a stream.

        Raises:
            BackendError: TensorRT refuses; says what it said.
        """
        if not self._context.execute_async_v3(stream):
            raise self._runtime.error(f"cannot run {self.file}", "the next frame is tried anew")

    def ready(self) -> None:
        """Keep what RTX compiled for this GPU, once it has run."""
        if self._cache is not None:
            self._cache.save()


class RuntimeCache:
    """What TensorRT-RTX compiled for the GPU of this machine, in a file beside the engine.

    RTX checks itself whether a cache fits GPU, driver and version; another one is made anew.
    """

    def __init__(self, engine: trt.ICudaEngine, file: Path) -> None:
        """Read the file, if it is there and fits."""
        self.file = file.with_name(f"{file.name}.cache")
        self.config = engine.create_runtime_config()
        self._cache = self.config.create_runtime_cache()
        self._known = self.file.read_bytes() if self.file.is_file() else b""
        if self._known and not self._cache.deserialize(self._known):
            log.info("%s is of another GPU, driver or version, and is made anew", self.file)
            self._known = b""
        self.config.set_runtime_cache(self._cache)

    def save(self) -> None:
        """Write it if there is something new; on a device that can't be written to, each start compiles."""
        content = bytes(memoryview(self._cache.serialize()))
        if content != self._known:
            try:
                write_atomically(self.file, content)
            except OSError as error:
                log.warning("%s: TensorRT-RTX will compile its kernels again at the next start", error)
            self._known = content


def make_logger(trt: Any, complaints: deque[str]) -> trt.ILogger:  # noqa: ANN401  # a module
    """A logger that keeps TensorRT's errors, and passes errors and warnings on to Python's."""

    class Logger(trt.ILogger):  # type: ignore[misc]  # known when TensorRT is imported
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: trt.ILogger.Severity, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                complaints.append(message)
                log.error("TensorRT: %s", message)
            elif severity == trt.ILogger.WARNING:
                log.warning("TensorRT: %s", message)

    return Logger()


def check_interface(engine: trt.ICudaEngine, graph: GraphSpec, file: Path) -> None:
    """Whether an engine takes and gives what model.json says.

    Raises:
        BackendError: names the first tensor that differs.
    """
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = {
        name: (
            engine.get_tensor_mode(name).name,
            dtype_name(engine.get_tensor_dtype(name).name),
            _sizes(engine.get_tensor_shape(name)),
        )
        for name in names
    }
    expected = {
        **{tensor.name: ("INPUT", tensor.dtype, tensor.shape) for tensor in graph.inputs},
        **{tensor.name: ("OUTPUT", tensor.dtype, tensor.shape) for tensor in graph.outputs},
    }
    for name in {**expected, **found}:
        if found.get(name) != expected.get(name):
            raise BackendError(
                f"{file} has {name} as {found.get(name)}, expected {expected.get(name)}: build it again with "
                "fmmp-export --bundle"
            )


def _sizes(shape: trt.Dims) -> list[int]:
    """Its types say that it can be indexed, and no more."""
    return [shape[axis] for axis in range(len(shape))]
