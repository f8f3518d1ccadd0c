# SPDX-License-Identifier: Apache-2.0
"""Parses one ONNX file with TensorRT-RTX and builds an engine ahead of time, without a GPU.

`rtx_process.py JOB`, a JSON file with the fields of `nvidia.Job`. Prints a JSON report; what the plugin says
goes to stderr.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def build(trt: Any, job: dict[str, Any]) -> dict[str, object]:  # noqa: ANN401
    """Layers of the parsed network, or the parser's errors; the engine goes to job["engine"]."""
    messages: list[str] = []

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            if severity <= trt.ILogger.WARNING:
                messages.append(message)

    logger = Logger()
    builder = trt.Builder(logger)
    if job["library"]:
        builder.get_plugin_registry().load_library(job["library"])
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    report: dict[str, object] = {"version": trt.__version__, "layers": [], "messages": messages}
    if not parser.parse_from_file(job["model"]):
        report["errors"] = [parser.get_error(i).desc() for i in range(parser.num_errors)]
        return report
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    report["layers"] = [[layer.name, layer.type.name, str(layer.get_output(0).dtype)] for layer in layers]

    config = builder.create_builder_config()
    if job["library"]:
        config.plugins_to_serialize = [job["library"]]
    config.num_compute_capabilities = 1
    config.set_compute_capability(getattr(trt.ComputeCapability, job["capability"]), 0)
    if job["profile"]:
        profile = builder.create_optimization_profile()
        for name, bounds in job["profile"].items():
            profile.set_shape(name, *bounds)
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is not None:
        Path(job["engine"]).write_bytes(memoryview(plan))
    report["errors"] = [] if plan is not None else messages
    return report


def main() -> None:
    """Read the job, do it, print the report."""
    job = json.loads(Path(sys.argv[1]).read_text())
    sys.path.insert(0, job["folder"])
    print(json.dumps(build(importlib.import_module("tensorrt_rtx"), job)))


if __name__ == "__main__":
    main()
