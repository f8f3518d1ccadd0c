# SPDX-License-Identifier: Apache-2.0
"""Every tensor of a graph beside the same one in torch: which is the first that is off?

torch's exporter calls a value after the step of the traced program that made it, and what simplifies the
graph keeps the names of what survives. So the program is run step by step in torch, the graph with all of its
inside as outputs in ONNX Runtime, from the same inputs, and what has the same name is compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from polygraphy.comparator import IterationResult, SimpleCompareFunc
from polygraphy.logger import G_LOGGER
from torch import Tensor, fx

from fmmp_export.graph.parts import Part
from fmmp_export.graph.writer import export_program
from fmmp_runtime import operators
from fmmp_runtime.backends.onnxruntime import WRONG_OPTIMIZERS
from fmmp_runtime.bundle.specs import Precision

Arrays = dict[str, NDArray[Any]]

# Largest error of a tensor, in its largest value, or in 1 where that is smaller: positions and shares are at
# most 1, and their differences as exact as these. Float32: rounding, a hundredfold where differences of
# positions are divided by their spread. Half has 11 bits, eight bits have 8, and both go through some fifty
# convolutions: so the 99th percentile is asked.
TOLERANCES: Mapping[Precision, float] = {"fp32": 1e-3, "fp16": 5e-2, "int8": 0.5}
QUANTILE = 0.99


@dataclass(frozen=True, kw_only=True)
class TensorError:
    """One tensor of a graph."""

    name: str
    node: str  # that makes it, named after the module that it is of
    error: float  # in the scale of the tensor
    tolerance: float
    passed: bool


def compare_tensors(
    part: Part, graph: Path, inputs: Mapping[str, Tensor], precision: Precision
) -> list[TensorError]:
    """Compare all tensors that a graph and the traced module have in common, in the order of the graph.

    Args:
        part: what the graph was traced from.
        graph: its ONNX file in a bundle.
        inputs: of the graph, by name, as torch takes them; floats are given to the graph in its own type.
        precision: "fp32", "fp16" or "int8", which has its tolerance.

    Raises:
        ValueError: they have none in common.
    """
    expected = torch_tensors(part, inputs)
    found, nodes = graph_tensors(graph, inputs)
    common = [
        name
        for name in found
        if name in expected
        and expected[name].shape == found[name].shape
        and np.issubdtype(expected[name].dtype, np.floating)
        and expected[name].size
    ]
    if not common:
        raise ValueError(
            f"no tensor of {graph} is called as torch {torch.__version__} would call it: export it again"
        )
    for name in common:
        expected[name], found[name] = _without_infinities(expected[name], found[name])
    scale = {
        name: float(np.abs(expected[name]).max(where=np.isfinite(expected[name]), initial=1.0))
        for name in common
    }
    tolerance = TOLERANCES[precision]
    compare = SimpleCompareFunc(
        rtol=0,
        atol={name: tolerance * scale[name] for name in common},
        check_error_stat="max" if precision == "fp32" else "quantile",
        error_quantile=QUANTILE,
    )
    answers = [
        IterationResult({name: tensors[name] for name in common}, runner_name=runner)
        for runner, tensors in (("graph", found), ("torch", expected))
    ]
    with G_LOGGER.verbosity(G_LOGGER.CRITICAL):  # it prints statistics of every tensor
        verdicts = compare(*answers)
    return [
        TensorError(
            name=name,
            node=nodes[name],
            error=float(_error(verdicts[name], precision)) / scale[name],
            tolerance=tolerance,
            passed=bool(verdicts[name]),
        )
        for name in common
    ]


def _without_infinities(one: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as float32, with 0 where they are the same infinity, as what a mask leaves out: no difference."""
    same = np.isinf(one) & (one == other)
    return np.where(same, 0, one).astype(np.float32), np.where(same, 0, other).astype(np.float32)


def _error(verdict: Any, precision: Precision) -> float:  # noqa: ANN401  # Polygraphy's OutputCompareResult
    error = verdict.max_absdiff if precision == "fp32" else verdict.quantile_absdiff
    return float(error)


def torch_tensors(part: Part, inputs: Mapping[str, Tensor]) -> Arrays:
    """What every step of the program of `part` makes of `inputs`, by the name that its graph gives it."""
    program = export_program(part).exported_program
    assert program is not None  # only a program that was read from a file has none
    module = program.module()
    recorder = _Recorder(module)
    with torch.inference_mode():
        recorder.run(*(inputs[name] for name in part.inputs))
    made = zip(part.outputs, program.graph_signature.user_outputs, strict=True)
    return recorder.values | {name: recorder.values[step] for name, step in made if step in recorder.values}


class _Recorder(fx.Interpreter):
    """Runs a program and keeps what every step gives."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.values: Arrays = {}

    def run_node(self, n: fx.Node) -> Any:  # noqa: ANN401  # of the base class
        value = super().run_node(n)
        if isinstance(value, Tensor) and n.op == "call_function":
            self.values[n.name] = value.detach().cpu().numpy().copy()
        return value


def graph_tensors(graph: Path, inputs: Mapping[str, Tensor]) -> tuple[Arrays, dict[str, str]]:
    """All tensors of an ONNX file, in order, and the names of the nodes that make them."""
    model = onnx.load(graph)
    nodes = {output: node.name for node in model.graph.node for output in node.output if output}
    present = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in nodes if name not in present)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.register_custom_ops_library(str(operators.library("onnxruntime")))
    session = ort.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"], disabled_optimizers=WRONG_OPTIMIZERS
    )
    feed = {
        value.name: inputs[value.name]
        .numpy()
        .astype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
        for value in model.graph.input
    }
    return dict(zip(nodes, session.run(list(nodes), feed), strict=True)), nodes
