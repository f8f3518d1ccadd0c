# SPDX-License-Identifier: Apache-2.0
"""Builds an engine for the GPU of this machine and runs it: `engine_process.py JOB`, a JSON file.

A process of its own, since TensorRT and TensorRT-RTX do not share one. The job names the module, the folder
it is imported from (or null), the plugin library (or null for NVIDIA's own plugins), the ONNX file, the
profile, files of inputs and where their outputs go, and whether each call but the first replays one captured
CUDA graph.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch


def build(trt: Any, job: dict[str, Any], logger: Any) -> Any:  # noqa: ANN401
    """The serialised engine."""
    builder = trt.Builder(logger)
    if job["library"] is None:
        trt.init_libnvinfer_plugins(logger, "")
    else:
        builder.get_plugin_registry().load_library(job["library"])
    flags = trt.NetworkDefinitionCreationFlag  # TensorRT 11 knows strongly typed networks only
    typed = 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(job["model"]):
        raise RuntimeError("; ".join(parser.get_error(i).desc() for i in range(parser.num_errors)))
    config = builder.create_builder_config()
    if job["profile"]:
        profile = builder.create_optimization_profile()
        for name, bounds in job["profile"].items():
            profile.set_shape(name, *bounds)
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError("the builder made no engine; its words are above")
    return plan


class Runner:
    """An execution context with tensors of its own, so that a captured graph finds them again."""

    def __init__(self, trt: Any, plan: Any, logger: Any) -> None:  # noqa: ANN401
        """Load the engine."""
        self.runtime = trt.Runtime(logger)
        self.engine = self.runtime.deserialize_cuda_engine(plan)
        if self.engine is None:
            raise RuntimeError("the engine could not be loaded; TensorRT's words are above")
        self.context = self.engine.create_execution_context()
        self.tensors: dict[str, torch.Tensor] = {}
        self.stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.inputs = {
            name: self.engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            for name in (self.engine.get_tensor_name(i) for i in range(self.engine.num_io_tensors))
        }
        self.types = {trt.float32: torch.float32, trt.float16: torch.float16, trt.int32: torch.int32}

    def prepare(self, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """OnProgress the context the shapes and addresses of a call; the outputs start as NaN."""
        for name, is_input in self.inputs.items():
            if is_input:
                self.tensors[name] = torch.from_numpy(arrays[name]).cuda()
                if not self.context.set_input_shape(name, tuple(arrays[name].shape)):
                    raise RuntimeError(f"{name} may not have the shape {arrays[name].shape}")
        for name, is_input in self.inputs.items():
            if not is_input:
                shape = tuple(self.context.get_tensor_shape(name))
                dtype = self.types[self.engine.get_tensor_dtype(name)]
                self.tensors[name] = torch.full(shape, float("nan"), dtype=dtype, device="cuda")
            self.context.set_tensor_address(name, self.tensors[name].data_ptr())
        torch.cuda.synchronize()

    def enqueue(self) -> None:
        """One call, on the stream that is current."""
        if not self.context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise RuntimeError("enqueue failed; TensorRT's words are above")

    def outputs(self) -> dict[str, np.ndarray[Any, Any]]:
        """Copies of the outputs."""
        torch.cuda.synchronize()
        return {
            name: self.tensors[name].cpu().numpy() for name, is_input in self.inputs.items() if not is_input
        }


def main() -> None:
    """Do the job."""
    job = json.loads(Path(sys.argv[1]).read_text())
    if job["folder"]:
        sys.path.insert(0, job["folder"])
    trt = importlib.import_module(job["module"])
    logger = trt.Logger(trt.Logger.WARNING)
    runner = Runner(trt, build(trt, job, logger), logger)
    graph: torch.cuda.CUDAGraph | None = None
    for inputs, outputs in job["calls"]:
        with np.load(inputs) as file:
            arrays = dict(file)
        if graph is None:
            runner.prepare(arrays)
            with torch.cuda.stream(runner.stream):
                runner.enqueue()
            torch.cuda.synchronize()
        else:
            for name, array in arrays.items():
                runner.tensors[name].copy_(torch.from_numpy(array))
            torch.cuda.synchronize()
            graph.replay()
        save: Any = np.savez  # its types know no arrays by name
        save(outputs, **runner.outputs())
        if job["graph"] and graph is None:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=runner.stream):
                runner.enqueue()
    print(trt.__version__)


if __name__ == "__main__":
    main()
