# SPDX-License-Identifier: Apache-2.0
"""As much of TensorRT's Python API as the runtime uses, to be copied under the name of a product.

An engine is JSON that names an ONNX graph, which ONNX Runtime runs on the fake device's memory. The end of a
copy says which product it is: see `install` in test_tensorrt.py.
"""

import enum
import json
from typing import Any

import numpy as np
import onnxruntime

from tests.fakes.gpu import STREAMS, memory

__version__ = "10.13.0"
TYPES = {"tensor(uint8)": ("UINT8", np.uint8), "tensor(float)": ("FLOAT", np.float32),
         "tensor(bool)": ("BOOL", np.bool_), "tensor(int64)": ("INT64", np.int64)}  # fmt: skip
loaded: list[str] = []  # plugin libraries
nvidia_plugins: list[bool] = []
fail: list[str] = []  # "context" or "run": what goes wrong next


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    INTERNAL_ERROR, ERROR, WARNING = Severity.INTERNAL_ERROR, Severity.ERROR, Severity.WARNING

    def __init__(self) -> None:
        self.ready = True

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class Mode(enum.Enum):
    NONE, INPUT, OUTPUT = range(3)


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


class Registry:
    def load_library(self, path: str) -> object:
        assert path not in loaded
        loaded.append(path)
        return object()


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        assert logger.ready
        self.logger = logger
        self.engine_host_code_allowed = False

    def get_plugin_registry(self) -> Registry:
        return Registry()

    def deserialize_cuda_engine(self, content: bytes) -> "Engine | None":
        plan = json.loads(content) if content.startswith(b"{") else None
        if plan is None:
            self.logger.log(ILogger.WARNING, "this engine looks odd")
            self.logger.log(ILogger.ERROR, "magic tag does not match")
            return None
        if plan["plugin"] and not (loaded or (plan["inside"] and self.engine_host_code_allowed)):
            self.logger.log(ILogger.INTERNAL_ERROR, "plugin not found")
            return None
        return Engine(plan, self.logger)


def quiet() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return options


class Engine:
    def __init__(self, plan: dict[str, Any], logger: ILogger) -> None:
        self.logger = logger
        self.session = onnxruntime.InferenceSession(plan["onnx"], quiet(), providers=["CPUExecutionProvider"])
        self.values = {
            value.name: (mode, value)
            for mode, values in (
                (Mode.INPUT, self.session.get_inputs()),
                (Mode.OUTPUT, self.session.get_outputs()),
            )
            for value in values
            if value.name not in plan.get("without", [])
        }
        self.num_io_tensors = len(self.values)

    def get_tensor_name(self, index: int) -> str:
        return str(list(self.values)[index])

    def get_tensor_mode(self, name: str) -> Mode:
        return self.values[name][0]

    def get_tensor_dtype(self, name: str) -> Named:
        return Named(TYPES[self.values[name][1].type][0])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.values[name][1].shape)

    def create_execution_context(self, config: "RuntimeConfig | None" = None) -> "Context | None":
        if "context" in fail:
            fail.remove("context")
            self.logger.log(ILogger.ERROR, "CUDA error 2: out of memory")
            return None
        return Context(self, config)

    def create_runtime_config(self) -> "RuntimeConfig":
        return RuntimeConfig()


class Context:
    def __init__(self, engine: Engine, config: "RuntimeConfig | None") -> None:
        self.engine = engine
        self.config = config
        self.addresses: dict[str, int] = {}
        self.ran = False

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return name in self.engine.values

    def execute_async_v3(self, stream: int) -> bool:
        device = STREAMS[stream]
        if device.recording is not None and not self.ran:
            self.engine.logger.log(ILogger.ERROR, "the first run cannot be captured")
            return False
        if "run" in fail:
            fail.remove("run")
            self.engine.logger.log(ILogger.ERROR, "enqueue failed")
            return False
        if set(self.addresses) != set(self.engine.values):
            self.engine.logger.log(ILogger.ERROR, "an address is not set")
            return False
        self.ran = True
        if self.config is not None:
            self.config.cache.compiled = True
        device.enqueue(self.run)
        return True

    def run(self) -> None:
        arrays = {}
        for name, (mode, value) in self.engine.values.items():
            dtype = np.dtype(TYPES[value.type][1])
            size = int(np.prod(value.shape)) * dtype.itemsize
            arrays[name] = (mode, memory(self.addresses[name], size).view(dtype).reshape(value.shape))
        inputs = {name: array.copy() for name, (mode, array) in arrays.items() if mode is Mode.INPUT}
        outputs = [name for name, (mode, _) in arrays.items() if mode is Mode.OUTPUT]
        for name, answer in zip(outputs, self.engine.session.run(outputs, inputs), strict=True):
            arrays[name][1][:] = answer


class RuntimeCache:
    """Knows its GPU by a word at the start."""

    def __init__(self) -> None:
        self.known = False
        self.compiled = False

    def deserialize(self, content: bytes) -> bool:
        self.known = content == b"kernels for this GPU"
        return self.known

    def serialize(self) -> bytes:
        assert self.compiled
        return b"kernels for this GPU"


class RuntimeConfig:
    def __init__(self) -> None:
        self.cache: Any = None

    def create_runtime_cache(self) -> RuntimeCache:
        return RuntimeCache()

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = cache
        return True
