# SPDX-License-Identifier: Apache-2.0
"""Times ONNX graphs that take turns, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from fmmp_runtime.operators import library


def session(text: str, threads: int) -> ort.InferenceSession:
    """Open a graph written as ONNX text, with our operators."""
    options = ort.SessionOptions()
    options.register_custom_ops_library(str(library("onnxruntime")))
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the pools share the cores here
    model = onnx.parser.parse_model(text)
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def report(
    title: str,
    sessions: dict[str, ort.InferenceSession],
    feeds: dict[str, dict[str, NDArray[Any]]],
    rounds: int,
) -> None:
    """Print the median time on the clock, that on the processor, and the latter's ratio to the first graph.

    Other programs lengthen the first but hardly the second. Outputs of one shape must agree.
    """
    outputs = {name: one.run(None, feeds[name])[0] for name, one in sessions.items()}
    first = next(iter(outputs.values()))
    for output in outputs.values():
        if output.shape == first.shape:
            np.testing.assert_allclose(output, first, rtol=0, atol=2e-5)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, one in sessions.items():
            start = time.perf_counter(), time.process_time()
            one.run(None, feeds[name])
            times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    medians = {name: np.median(taken, axis=0) * 1e3 for name, taken in times.items()}
    slowest = next(iter(medians.values()))[1]
    print(title)
    for name, (clock, processor) in medians.items():
        print(f"  {name:34} {clock:7.2f} ms   processor {processor:7.2f} ms   {slowest / processor:5.1f}x")
