# SPDX-License-Identifier: Apache-2.0
"""The plugin inside an engine, on a GPU: against torch in float64, and against NVIDIA's own plugin.

`pytest -m gpu` runs it, with TensorRT and with TensorRT-RTX, as far as they are installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from fmmp_export.graph.operator import NVIDIA
from fmmp_train.model.deform_attn import ms_deform_attn
from tests.plugins.cuda.cases import ATOL
from tests.plugins.cuda.gpu import require_tensorrt
from tests.plugins.cuda.graphs import NodeSpec, single_node
from tests.plugins.cuda.reference import NETWORK_LEVELS, Inputs, draw

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("gpu")]

HERE = Path(__file__).parent
SIZES = [size for level in NETWORK_LEVELS for size in level]
ONNX_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
Numbers = NDArray[np.floating[Any]]


def run_engine(
    kind: str,
    model: onnx.ModelProto,
    calls: list[Inputs],
    folder: Path,
    *,
    library: Path | None,
    profile: dict[str, list[list[int | str]]] | None = None,
    graph: bool = False,
) -> list[Numbers]:
    """Build an engine with `kind` and return the output of every call."""
    module, import_folder = require_tensorrt(kind)
    onnx.save(model, folder / "graph.onnx")
    files = []
    for number, call in enumerate(calls):
        np.savez(
            folder / f"in{number}.npz",
            value=call.value.astype(call.value_type),
            sampling_locations=call.locations.astype(call.location_type),
            attention_weights=call.weights.astype(call.location_type),
        )
        files.append((str(folder / f"in{number}.npz"), str(folder / f"out{number}.npz")))
    job = {
        "module": module,
        "folder": import_folder,
        "library": str(library) if library else None,
        "model": str(folder / "graph.onnx"),
        "profile": profile,
        "calls": files,
        "graph": graph,
    }
    (folder / "job.json").write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, HERE / "engine_process.py", folder / "job.json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return [np.load(file)["output"] for _, file in files]


def by_torch(call: Inputs) -> Numbers:
    """The same call in float64."""
    output = ms_deform_attn(
        torch.from_numpy(call.value),
        torch.from_numpy(call.spatial_shapes),
        torch.from_numpy(call.level_start_index),
        torch.from_numpy(call.locations),
        torch.from_numpy(call.weights),
    )
    return output.numpy()


KINDS = ["tensorrt", "tensorrt_rtx"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("types", [("float32", "float32"), ("float16", "float32"), ("float16", "float16")])
@pytest.mark.parametrize("attributes", [{}, {"level_sizes": SIZES}], ids=["levels in memory", "levels known"])
def test_engine_matches_torch_at_any_batch(
    kind: str, types: tuple[str, str], attributes: dict[str, list[int]], plugin_library: Path, tmp_path: Path
) -> None:
    spec = NodeSpec(
        value_type=ONNX_TYPES[types[0]],
        location_type=ONNX_TYPES[types[1]],
        batch="batch",
        heads=64,
        attributes=attributes,
    )
    profile = {name: [spec.shapes(batch)[name] for batch in (1, 1, 8)] for name in spec.shapes()}
    calls = [draw(batch=b, queries=70, heads=64, seed=b).with_types(*types) for b in (1, 8, 3)]
    outputs = run_engine(kind, single_node(spec), calls, tmp_path, library=plugin_library, profile=profile)
    for call, output in zip(calls, outputs, strict=True):
        np.testing.assert_allclose(output, by_torch(call), rtol=0, atol=ATOL[types[0]])


@pytest.mark.parametrize("kind", KINDS)
def test_replayed_graph_reads_new_inputs(kind: str, plugin_library: Path, tmp_path: Path) -> None:
    spec = NodeSpec(heads=64, attributes={"level_sizes": SIZES})
    calls = [draw(queries=70, heads=64, seed=seed).with_types("float16", "float32") for seed in range(3)]
    outputs = run_engine(kind, single_node(spec), calls, tmp_path, library=plugin_library, graph=True)
    for call, output in zip(calls, outputs, strict=True):
        np.testing.assert_allclose(output, by_torch(call), rtol=0, atol=ATOL["float16"])


@pytest.mark.parametrize("value_type", ["float32", "float16"])
def test_no_further_from_float64_than_nvidias_plugin(
    value_type: str, plugin_library: Path, tmp_path: Path
) -> None:
    types = (value_type, value_type)  # NVIDIA's takes no float32 locations with a float16 value
    spec = NodeSpec(value_type=ONNX_TYPES[value_type], location_type=ONNX_TYPES[value_type])
    call = draw(queries=70).with_types(*types)
    ours = single_node(spec)
    theirs = single_node(spec)
    theirs.graph.node[0].op_type = NVIDIA.op_type
    for attribute in theirs.graph.node[0].attribute:
        if attribute.name == "plugin_version":
            attribute.s = NVIDIA.plugin_version.encode()
    (our_output,) = run_engine("tensorrt", ours, [call], tmp_path, library=plugin_library)
    (their_output,) = run_engine("tensorrt", theirs, [call], tmp_path, library=None)
    expected = by_torch(call)
    our_error, their_error = (float(np.abs(output - expected).max()) for output in (our_output, their_output))
    assert our_error <= ATOL[value_type]
    assert our_error <= their_error + ATOL["float32"], f"ours {our_error:.2e}, NVIDIA's {their_error:.2e}"
