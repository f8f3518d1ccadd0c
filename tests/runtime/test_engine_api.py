# SPDX-License-Identifier: Apache-2.0
"""What the runtime asks of TensorRT exists: by its published types, and in TensorRT-RTX itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.export.test_engine_api import mistakes, stubs
from tests.plugins.cuda.nvidia import require

__all__ = ["stubs"]  # the fixture of the exporter's test

SOURCE = Path(__file__).parents[2] / "runtime" / "fmmp_runtime" / "backends" / "engine.py"


@pytest.mark.slow
def test_every_call_fits_the_types(stubs: Path) -> None:
    """With the module typed; what only RTX has is looked for below."""
    source = SOURCE.read_text()
    for parameter in (", trt: Any, backend", "make_logger(trt: Any, "):
        assert parameter in source
        source = source.replace(parameter, parameter.replace("trt: Any, ", "").replace(", trt: Any", ""))
    source = source.replace("make_logger(trt, ", "make_logger(")
    source = source.replace("  # type: ignore[misc]", "")
    rtx = 'has no attribute "create_runtime_cache"', 'has no attribute "set_runtime_cache"'
    found = [line for line in mistakes(stubs, source).splitlines() if not any(word in line for word in rtx)]
    assert found == []
    wrong = source.replace("execute_async_v3(stream)", "execute_async_v3()").replace(
        "ILogger.WARNING", "ILogger.WARN"
    )
    found_wrong = mistakes(stubs, wrong.replace("get_tensor_mode", "get_tensor_kind"))
    assert 'Missing positional argument "stream_handle"' in found_wrong
    assert '"type[ILogger]" has no attribute "WARN"' in found_wrong
    assert '"ICudaEngine" has no attribute "get_tensor_kind"' in found_wrong


ASKED = {
    "Runtime": "deserialize_cuda_engine engine_host_code_allowed get_plugin_registry",
    "ILogger": "INTERNAL_ERROR ERROR WARNING Severity log",
    "IPluginRegistry": "load_library",
    "ICudaEngine": "create_execution_context create_runtime_config num_io_tensors get_tensor_name "
    "get_tensor_mode get_tensor_dtype get_tensor_shape",
    "IExecutionContext": "set_tensor_address execute_async_v3",
    "IRuntimeConfig": "create_runtime_cache set_runtime_cache",
    "IRuntimeCache": "serialize deserialize",
}
PROGRAM = """
import json, sys
from collections import deque
sys.path[:0] = [sys.argv[1], *json.loads(sys.argv[2])]
import tensorrt_rtx as trt
from fmmp_runtime.backends.engine import make_logger
from fmmp_runtime.bundle.engines import dtype_name
lacks = [f"{kind}.{name}" for kind, names in json.loads(sys.argv[3]).items()
         for name in names.split() if not hasattr(getattr(trt, kind), name)]
complaints = deque()
logger = make_logger(trt, complaints)
runtime = trt.Runtime(logger)
engine = runtime.deserialize_cuda_engine(b"not an engine")
types = [dtype_name(name) for name in trt.DataType.__members__]
print(json.dumps({"lacks": lacks, "engine": repr(engine), "said": list(complaints), "types": types,
                  "modes": list(trt.TensorIOMode.__members__)}))
"""


def test_rtx_has_it_and_complains_through_our_logger() -> None:
    """The real library, without a GPU: names, and the words with which it refuses an engine."""
    paths = json.dumps([path for path in sys.path if path])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, require("rtx"), paths, json.dumps(ASKED)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["lacks"] == []
    assert answer["engine"] == "None"
    assert answer["said"]
    assert {"INPUT", "OUTPUT"} <= set(answer["modes"])
    assert {"float32", "float16", "int64", "bool", "uint8", "int32"} <= set(answer["types"])
