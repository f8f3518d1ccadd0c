# SPDX-License-Identifier: Apache-2.0
"""The backbone in 8 bits, written into the graph as pairs of QuantizeLinear and DequantizeLinear.

Everything behind the backbone stays as it is: points need more than 8 bits. An activation has one scale, that
with the least square error on real crops; weights have one for each output channel and are symmetric. ONNX
Runtime wants unsigned activations, whose zero swallows a ReLU, and biases in 32 bits; TensorRT wants
symmetric activations and takes biases as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
from numpy.typing import NDArray
from onnx_ir.passes import common

from fmmp_export.graph.writer import SCOPES, scope
from fmmp_runtime.bundle.specs import Target

TREE = "backbone"  # first word of the path of a module that gets 8 bits
ACTIVATIONS = ("Relu", "Clip")  # done by the convolution before them, when nothing else reads what it gives
WEIGHT_LIMIT = 127  # symmetric: -128 is not used
SMALLEST_SCALE = 2.0**-20
BIAS_LIMIT = 2**30  # steps of a bias in 32 bits, with room for the sum that it is added to


PER_CROP = 4096  # values of an activation that are looked at
SHARES = np.linspace(1, 0.3, 15).tolist()  # of the whole range: cutting off the rarest makes steps finer

Floats = NDArray[np.float32]

_IN_TREE = repr(["", TREE, ""])  # what `scope` reads


def quantised_values(model: ir.Model) -> list[ir.Value]:
    """The activations of the backbone that get 8 bits, in the order of the graph: what its steps read."""
    inside = [node for node in model.graph if scope(node).split(".")[0] == TREE]
    members = set(inside)
    values: dict[ir.Value, None] = {}
    for node in inside:
        for value in (*node.inputs, *node.outputs):
            if value is None or value.dtype != ir.DataType.FLOAT or value.is_initializer():
                continue
            users = {user for user, _ in value.uses()}
            fused = value.producer() in members and all(user.op_type in ACTIVATIONS for user in users)
            if not fused:
                values[value] = None
    return list(values)


def sample_activations(query: ir.Model, crops: Iterable[NDArray[np.uint8]]) -> list[Floats]:
    """Values that each of `quantised_values` takes on crops, evenly picked.

    Args:
        query: the float32 query graph, as traced for one frame; not changed.
        crops: (H, W, 3) each.
    """
    model = ir.Model(query.graph.clone(), ir_version=query.ir_version)
    values = quantised_values(model)
    image = model.graph.inputs[0]
    model.graph.outputs.clear()
    model.graph.outputs.extend(values)
    common.RemoveUnusedNodesPass()(model)
    del model.graph.inputs[1:]
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, ["CPUExecutionProvider"])
    picked: list[list[Floats]] = [[] for _ in values]
    for crop in crops:
        for samples, found in zip(picked, session.run(None, {str(image.name): crop[None]}), strict=True):
            samples.append(found.ravel()[:: max(found.size // PER_CROP, 1) | 1])  # odd: no column is skipped
    return [np.concatenate(samples) for samples in picked]


def quantise(model: ir.Model, activations: Sequence[Floats], target: Target) -> None:
    """Give the backbone of a traced graph 8 bits, in place.

    Args:
        model: any graph of the network that `activations` were sampled from.
        activations: of `sample_activations`.
        target: whose form of the pairs is written.
    """
    scales: dict[ir.Value, Floats] = {}  # of what comes out of a pair
    for value, samples in zip(quantised_values(model), activations, strict=True):
        scale, zero = _fit_unsigned(samples) if target == "cpu" else _fit_symmetric(samples)
        scales[_insert_pair(model.graph, value, scale, zero)] = scale
    for node in list(model.graph):
        if node.op_type == "Conv" and node.inputs[0] in scales:
            _quantise_weights(model.graph, node, scales[node.inputs[0]], target)


def _fit_unsigned(samples: Floats) -> tuple[Floats, NDArray[np.uint8]]:
    low, high = min(float(samples.min()), 0), max(float(samples.max()), 0)

    def at(share: float) -> tuple[float, int]:
        scale = share * (high - low) / 255 or 1
        return scale, round(-share * low / scale)

    scale, zero = min(map(at, SHARES), key=lambda pair: _error(samples, pair[0], pair[1], 0, 255))
    return np.asarray(scale, np.float32), np.asarray(zero, np.uint8)


def _fit_symmetric(samples: Floats) -> tuple[Floats, NDArray[np.int8]]:
    largest = float(np.abs(samples).max()) / 127 or 1
    scale = min((share * largest for share in SHARES), key=lambda scale: _error(samples, scale, 0, -127, 127))
    return _in_half(np.asarray(scale)), np.asarray(0, np.int8)


def _in_half(scale: NDArray[np.floating]) -> Floats:
    """The nearest that half precision holds and that is not 0, which TensorRT refuses."""
    return np.asarray(np.maximum(scale, SMALLEST_SCALE).astype(np.float16), np.float32)


def _error(samples: Floats, scale: float, zero: int, low: int, high: int) -> float:
    """Mean square of what rounding to `low` .. `high` steps takes from `samples`."""
    steps = np.clip(np.round(samples / scale) + zero, low, high)
    return float(np.square((steps - zero) * scale - samples).mean())


def _insert_pair(
    graph: ir.Graph, value: ir.Value, scale: Floats, zero: NDArray[np.uint8] | NDArray[np.int8]
) -> ir.Value:
    """Round `value` to 8 bits and back for all who read it; returns what they read now."""
    parameters = [
        _constant(graph, f"{value.name}_scale", scale),
        _constant(graph, f"{value.name}_zero", zero),
    ]
    down = ir.node("QuantizeLinear", [value, *parameters])
    up = ir.node("DequantizeLinear", [down.outputs[0], *parameters])
    down.metadata_props[SCOPES] = up.metadata_props[SCOPES] = _IN_TREE
    down.outputs[0].name, up.outputs[0].name = f"{value.name}_8bit", f"{value.name}_rounded"
    up.outputs[0].type, up.outputs[0].shape = value.type, value.shape
    value.replace_all_uses_with(up.outputs[0])
    down.replace_input_with(0, value)
    producer = value.producer()
    assert producer is not None  # the backbone reads normalised images, which a node made
    graph.insert_after(producer, [down, up])
    return up.outputs[0]


def _quantise_weights(graph: ir.Graph, node: ir.Node, input_scale: Floats, target: Target) -> None:
    weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    assert weight is not None
    assert weight.const_value is not None
    array = weight.const_value.numpy()
    scale = np.abs(array).max(axis=tuple(range(1, array.ndim))) / WEIGHT_LIMIT
    if target == "gpu":
        scale = _in_half(scale)
    elif bias is not None:
        assert bias.const_value is not None
        exact = bias.const_value.numpy()
        # A channel whose weights are next to nothing beside its bias: the bias decides.
        scale = np.maximum(scale, np.abs(exact) / (input_scale * BIAS_LIMIT))
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        in_32_bits = np.round(exact / (input_scale * scale)).astype(np.int32)
        node.replace_input_with(2, _widen(graph, node, str(bias.name), in_32_bits, input_scale * scale))
    steps = np.round(array / scale.reshape(-1, *[1] * (array.ndim - 1)))
    rounded = np.clip(steps, -WEIGHT_LIMIT, WEIGHT_LIMIT).astype(np.int8)
    node.replace_input_with(1, _widen(graph, node, str(weight.name), rounded, scale))


def _widen(
    graph: ir.Graph,
    reader: ir.Node,
    name: str,
    array: NDArray[np.int8] | NDArray[np.int32],
    scale: Floats,
) -> ir.Value:
    """A constant in integers, one scale for each of its first axis, made float for `reader`."""
    parts = [
        _constant(graph, f"{name}_{part}", content)
        for part, content in (("steps", array), ("scale", scale), ("zero", np.zeros(len(scale), array.dtype)))
    ]
    up = ir.node("DequantizeLinear", parts, {"axis": 0})
    up.metadata_props[SCOPES] = reader.metadata_props[SCOPES]
    up.outputs[0].name = f"{name}_rounded"
    up.outputs[0].type, up.outputs[0].shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape(array.shape)
    graph.insert_before(reader, up)
    return up.outputs[0]


def _constant(graph: ir.Graph, name: str, array: NDArray[np.generic]) -> ir.Value:
    tensor = ir.Tensor(array, name=name)
    value = ir.Value(
        name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor
    )
    graph.register_initializer(value)
    return value
