# SPDX-License-Identifier: Apache-2.0
"""A bundle whose network answers what it was told: the support keypoints, and the brightness of the query."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto as Type
from onnx import helper, numpy_helper

from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.reference import Reference
from fmmp_runtime.bundle.specs import (
    FORMAT,
    REFERENCE_FILE,
    GraphSpec,
    Model,
    ScoreSpec,
    SourceSpec,
    TensorSpec,
)
from fmmp_runtime.files import sha256
from fmmp_runtime.pose import Method, ShownBy, Structure

KEYPOINTS, HEADS, LAYERS, SIZE, PADDING = 12, 3, 2, 64, 1.2
KINDS = {"uint8": Type.UINT8, "float32": Type.FLOAT, "bool": Type.BOOL, "int64": Type.INT64}


def write_bundle(
    folder: Path,
    shots: int = 1,
    *,
    name: str = "fake",
    nan: bool = False,
    batches: Sequence[int] = (),
    operator: bool = True,
    structure: Structure | None = "reference_index",
    padding: Method = "uniform",
    shown_by: ShownBy = "any",
    fixed_keypoints: bool = False,
) -> Path:
    """Write a bundle with K = 12, crops of 64 pixels and two layers, of which the first answers 0.

    points[-1] is the mean of the support keypoints over the shots that show them, every score is the mean
    brightness of the query. `nan` makes all points NaN. `batches`: so many frames have a query graph of their
    own. `operator`: the files define our operator, though no node of these needs it. The rest is what the
    network reads, see `InputConfig`; this one hands it on as it comes.
    """
    folder.mkdir(parents=True)
    support_inputs = [
        TensorSpec(name="support", dtype="uint8", shape=[1, shots, SIZE, SIZE, 3]),
        TensorSpec(name="keypoints", dtype="float32", shape=[1, shots, KEYPOINTS, 2]),
        TensorSpec(name="visible", dtype="bool", shape=[1, shots, KEYPOINTS]),
        *_STRUCTURES[structure](shots),
    ]
    own = _support_nodes([tensor.name for tensor in support_inputs])
    state = [TensorSpec(name=f"state_{t.name}", dtype=t.dtype, shape=t.shape) for t in support_inputs]
    state.append(TensorSpec(name="state_mean", dtype="float32", shape=[1, KEYPOINTS, 2]))
    query_input = TensorSpec(name="query", dtype="uint8", shape=[1, SIZE, SIZE, 3])
    answers = [
        TensorSpec(name="points", dtype="float32", shape=[LAYERS, 1, KEYPOINTS, 2]),
        TensorSpec(name="score", dtype="float32", shape=[1, KEYPOINTS]),
    ]
    graphs = {
        "support": (support_inputs, state, own),
        "query": ([query_input, *state], answers, _query_nodes()),
        "pair": ([query_input, *support_inputs], answers, own + _query_nodes()),
    }
    constants = {
        "one": np.ones((1,), np.float32),
        "shot_axis": np.array([1]),
        "last_axis": np.array([-1]),
        "pixel_axes": np.array([1, 2, 3]),
        "first_axis": np.array([0]),
        "white": np.full((1,), 255, np.float32),
        "offset": np.full((1, KEYPOINTS, 2), np.nan if nan else 0, np.float32),
    }
    counts = {f"query_batch{count}": count for count in batches}
    for graph, count in counts.items():
        graphs[graph] = (_times(count, [query_input, *state]), _times(count, answers), _query_nodes())
    for graph, (inputs, outputs, nodes) in graphs.items():
        proto = helper.make_graph(
            nodes,
            graph,
            [helper.make_tensor_value_info(t.name, KINDS[t.dtype], t.shape) for t in inputs],
            [helper.make_tensor_value_info(t.name, KINDS[t.dtype], t.shape) for t in outputs],
            [
                *(numpy_helper.from_array(value, key) for key, value in constants.items()),
                numpy_helper.from_array(np.array([counts.get(graph, 1), KEYPOINTS]), "score_shape"),
            ],
        )
        model = helper.make_model(
            proto,
            functions=[_operator()] if operator else [],
            opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("fmmp", 1)],
            ir_version=9,
        )
        onnx.checker.check_model(model)
        onnx.save(
            model,
            folder / f"{graph}.onnx",
            save_as_external_data=True,
            location="weights.bin",
            size_threshold=64,
        )
    described = _model(folder, name, shots, graphs)
    replace(described, padding=padding, shown_by=shown_by, fixed_keypoints=fixed_keypoints).write(folder)
    return folder


_STRUCTURES: dict[Structure | None, Callable[[int], list[TensorSpec]]] = {
    "reference_index": lambda shots: [
        TensorSpec(name="reference_index", dtype="int64", shape=[1, shots, KEYPOINTS, HEADS])
    ],
    "adjacency": lambda shots: [
        TensorSpec(name="adjacency", dtype="bool", shape=[1, shots, KEYPOINTS, KEYPOINTS])
    ],
    None: lambda _: [],
}


def _operator() -> onnx.FunctionProto:
    """As much of a definition as its name takes."""
    node = helper.make_node("Identity", ["value"], ["output"])
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_function(
        "fmmp", "MultiScaleDeformableAttention", ["value"], ["output"], [node], opsets
    )


def _times(count: int, tensors: Sequence[TensorSpec]) -> list[TensorSpec]:
    """The same for `count` frames: their axis is the second of the points, the first of all others."""
    frames_axis = {"points": 1}
    return [
        replace(
            t,
            shape=[n * count if axis == frames_axis.get(t.name, 0) else n for axis, n in enumerate(t.shape)],
        )
        for t in tensors
    ]


def _model(folder: Path, name: str, shots: int, graphs: dict[str, Any]) -> Model:
    return Model(
        format=FORMAT,
        name=name,
        network={"backbone": "none"},
        keypoints=KEYPOINTS,
        shots=shots,
        batch=1,
        target="gpu",
        image_size=SIZE,
        crop_padding=PADDING,
        mean=[0.485, 0.456, 0.406],
        std=[0.229, 0.224, 0.225],
        precision="fp32",
        opset=18,
        graphs={k: GraphSpec(file=f"{k}.onnx", inputs=v[0], outputs=v[1]) for k, v in graphs.items()},
        score=ScoreSpec(calibrated=False, meaning="brightness"),
        source=SourceSpec(file="none.safetensors", sha256="0" * 64),
        versions={"fmmp": "0"},
        files={file.name: sha256(file) for file in sorted(folder.iterdir())},
        parity={"onnxruntime-cpu": {"max_px": 0.0, "p99_px": 0.0, "per_layer_max": [0.0, 0.0]}},
    )


def _support_nodes(inputs: Sequence[str]) -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        *(node("Identity", [name], [f"state_{name}"]) for name in inputs),
        node("Cast", ["visible"], ["weight"], to=Type.FLOAT),
        node("Unsqueeze", ["weight", "last_axis"], ["weights"]),
        node("Mul", ["keypoints", "weights"], ["weighted"]),
        node("ReduceSum", ["weighted", "shot_axis"], ["summed"], keepdims=0),
        node("ReduceSum", ["weights", "shot_axis"], ["shown"], keepdims=0),
        node("Max", ["shown", "one"], ["at_least_one"]),
        node("Div", ["summed", "at_least_one"], ["state_mean"]),
    ]


def _query_nodes() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Add", ["state_mean", "offset"], ["answer"]),
        node("Sub", ["state_mean", "state_mean"], ["zero"]),
        node("Unsqueeze", ["answer", "first_axis"], ["last_layer"]),
        node("Unsqueeze", ["zero", "first_axis"], ["first_layer"]),
        node("Concat", ["first_layer", "last_layer"], ["points"], axis=0),
        node("Cast", ["query"], ["pixels"], to=Type.FLOAT),
        node("ReduceMean", ["pixels", "pixel_axes"], ["mean_pixel"], keepdims=0),
        node("Div", ["mean_pixel", "white"], ["brightness_of_frame"]),
        node("Unsqueeze", ["brightness_of_frame", "last_axis"], ["brightness"]),
        node("Expand", ["brightness", "score_shape"], ["score"]),
    ]


def copy_bundle(bundle: Path, folder: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(bundle, folder))


def add_reference(bundle: Path, *, off_by: float = 0) -> Path:
    """Give a bundle two questions with the answers of `write_bundle`'s network, moved by `off_by`."""
    model = Bundle.open(bundle).model
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 1, (2, model.shots, KEYPOINTS, 2)).astype(np.float32)
    last_layer = keypoints.mean(1)
    index = np.broadcast_to(np.arange(KEYPOINTS)[:, None], (2, model.shots, KEYPOINTS, HEADS))
    query = rng.integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    brightness = query.mean((1, 2, 3), dtype=np.float64) / 255
    Reference(
        query=query,
        support=rng.integers(0, 256, (2, model.shots, SIZE, SIZE, 3), dtype=np.uint8),
        keypoints=keypoints,
        visible=np.ones(keypoints.shape[:-1], np.bool_),
        reference_index=index.astype(np.int64),
        points=np.stack([np.zeros_like(last_layer), last_layer + np.float32(off_by)]),
        score=np.repeat(brightness[:, None], KEYPOINTS, axis=1).astype(np.float32),
    ).save(bundle)
    files = model.files | {REFERENCE_FILE: sha256(bundle / REFERENCE_FILE)}
    replace(model, files=files).write(bundle)
    return bundle
