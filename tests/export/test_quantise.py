# SPDX-License-Identifier: Apache-2.0
"""The backbone in 8 bits: rounded as by hand, in 8 bits in ONNX Runtime, refused where it loses points."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fmmp_export import export as export_module
from fmmp_export.export import Export, assemble, export_bundle
from fmmp_export.graph.quantise import quantise, quantised_values, sample_activations
from fmmp_export.graph.writer import SCOPES, scope
from fmmp_export.parity import verify
from fmmp_export.parity.examples import COUNT, draw_calibration, draw_examples
from fmmp_runtime import operators, parity
from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import Target
from fmmp_runtime.media.image import Image
from tests.export.conftest import CONFIG, SHOTS, Traced, copy_of

CROP = 16  # pixels


def two_convolutions(first_bias: float = 0.1) -> ir.Model:
    """An image, a convolution with a ReLU, another with the first one's input added; all of the backbone."""
    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(0, 0.3, (3, 3, 3, 3)),
        "b1": rng.normal(first_bias, 0.1, 3),
        "w2": rng.normal(0, 0.3, (3, 3, 1, 1)),
        "b2": rng.normal(0, 0.1, 3),
    }
    nodes = [
        helper.make_node("Cast", ["query"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"]),
        helper.make_node("Add", ["c2", "r1"], ["y"]),
        helper.make_node("Identity", ["y"], ["output"]),  # the network behind the backbone
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("query", TensorProto.UINT8, [1, CROP, CROP, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, CROP, CROP])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    proto = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)
    )
    model = ir.from_proto(proto)
    for node in list(model.graph)[2:-1]:
        node.metadata_props[SCOPES] = repr(["", "backbone.block", ""])
    return model


def crops(count: int) -> list[Image]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (CROP, CROP, 3), dtype=np.uint8) for _ in range(count)]


def run(model: ir.Model, crop: Image) -> NDArray[np.float32]:
    """What the graph says, every node done as it stands."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(ir.to_proto(model).SerializeToString(), options, ["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {"query": crop[None]})[0]
    return found


def initializer(model: ir.Model, name: str) -> NDArray[np.generic]:
    value = model.graph.initializers[name].const_value
    assert value is not None
    return value.numpy()


def rounded(array: NDArray[np.floating], scale: float, zero: int, low: int, high: int) -> NDArray[np.float64]:
    return (np.clip(np.round(np.asarray(array, float) / scale) + zero, low, high) - zero) * scale


def by_hand(model: ir.Model, changed: ir.Model, crop: Image, low: int, high: int) -> NDArray[np.float64]:
    """The graph of `two_convolutions` in float64, with everything rounded by the scales that were chosen."""

    def activation(name: str, array: NDArray[np.floating]) -> NDArray[np.float64]:
        scale, zero = initializer(changed, f"{name}_scale"), initializer(changed, f"{name}_zero")
        return rounded(array, float(scale), int(zero), low, high)

    def weight(name: str) -> NDArray[np.float64]:
        array = initializer(model, name)
        rows = zip(np.asarray(array, float), initializer(changed, f"{name}_scale"), strict=True)
        return np.stack([rounded(row, float(scale), 0, -127, 127) for row, scale in rows])

    x = activation("x", crop.transpose(2, 0, 1).astype(float))
    wide = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), axis=(1, 2))
    c1 = np.einsum("cyxij,ocij->oyx", patches, weight("w1"))
    c1 += np.asarray(initializer(model, "b1"), float)[:, None, None]
    r1 = activation("r1", np.maximum(c1, 0))
    c2 = np.einsum("cyx,oc->oyx", r1, weight("w2")[:, :, 0, 0])
    c2 = activation("c2", c2 + np.asarray(initializer(model, "b2"), float)[:, None, None])
    return activation("y", c2 + r1)


@pytest.mark.parametrize(("target", "low", "high"), [("cpu", 0, 255), ("gpu", -127, 127)])
def test_the_graph_rounds_as_by_hand(target: Target, low: int, high: int) -> None:
    model, changed = two_convolutions(), two_convolutions()
    quantise(changed, sample_activations(model, crops(4)), target)
    step = float(initializer(changed, "y_scale"))
    for crop in crops(3):
        apart = np.abs(run(changed, crop)[0] - by_hand(model, changed, crop, low, high))
        # A sum in float32 may fall on the other side of a half step: one step of "r1", "c2" or "y", rarely.
        assert (apart > 1e-3 * step).mean() < 0.02
        assert apart.max() < 3 * step


def test_what_is_read_twice_is_rounded_once_and_a_relu_belongs_to_its_convolution() -> None:
    assert [value.name for value in quantised_values(two_convolutions())] == ["x", "r1", "c2", "y"]


def test_measuring_leaves_the_graph_as_it_was() -> None:
    model = two_convolutions()
    before = ir.to_proto(model).SerializeToString()
    samples = sample_activations(model, crops(2))
    assert ir.to_proto(model).SerializeToString() == before
    assert [len(each) for each in samples] == [2 * 3 * CROP * CROP] * 4


@pytest.mark.parametrize(("target", "low", "high"), [("cpu", 0, 255), ("gpu", -127, 127)])
def test_rare_extremes_are_cut_off_where_that_is_less_wrong(target: Target, low: int, high: int) -> None:
    model, changed = two_convolutions(), two_convolutions()
    samples = sample_activations(model, crops(4))
    samples[0] = np.random.default_rng(0).laplace(0, 1, 100_000).astype(np.float32)
    quantise(changed, samples, target)
    scale, zero = float(initializer(changed, "x_scale")), int(initializer(changed, "x_zero"))
    whole = float(np.ptp(samples[0]) if target == "cpu" else 2 * np.abs(samples[0]).max()) / (high - low)
    assert scale < 0.9 * whole

    def error(scale: float) -> float:
        return float(np.square(rounded(samples[0], scale, zero, low, high) - samples[0]).mean())

    assert error(scale) < 0.85 * whole**2 / 12  # of evenly spread rounding over the whole range


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_a_channel_of_nothing_but_bias_keeps_it(target: Target) -> None:
    """As pruned channels of EfficientNet are: no scale of theirs may be 0, nor their bias leave 32 bits."""
    model, changed = two_convolutions(), two_convolutions()
    for each in (model, changed):
        weight = np.array(initializer(each, "w1"))
        weight[1] = 0
        weight[2] = 1e-12
        value = each.graph.initializers["w1"]
        value.const_value = ir.Tensor(weight, name="w1")
    quantise(changed, sample_activations(model, crops(4)), target)
    assert np.all(np.asarray(initializer(changed, "w1_scale"), float) > 0)
    step = float(initializer(changed, "y_scale"))
    assert np.abs(run(changed, crops(1)[0]) - run(model, crops(1)[0])).max() < 6 * step


@pytest.fixture(scope="module")
def calibration() -> list[Image]:
    return draw_calibration(CONFIG.inputs)[:8]


def eight_bits(
    traced: Traced, calibration: list[Image], target: Target, bias: float | None = None
) -> dict[str, ir.Model]:
    """The graphs with a backbone of 8 bits, and every convolution in it with that bias, if one is given."""
    support, queries, searches = copy_of(traced)
    for model in (support, *queries.values()):
        for node in list(model.graph) if bias is not None else []:
            if node.op_type == "Conv" and scope(node).split(".")[0] == "backbone":
                weight = node.inputs[1]
                assert weight is not None
                assert weight.shape is not None
                tensor = ir.Tensor(
                    np.full(weight.shape.numpy()[:1], bias, np.float32), name=f"{weight.name}_b"
                )
                value = ir.Value(name=tensor.name, type=weight.type, shape=tensor.shape, const_value=tensor)
                model.graph.register_initializer(value)
                node.resize_inputs(3)
                node.replace_input_with(2, value)
    activations = sample_activations(queries["query"], calibration)
    for model in (support, *queries.values()):
        quantise(model, activations, target)
    return assemble(support, queries, searches, half=target == "gpu", msda="fmmp")


def export(models: dict[str, ir.Model], checkpoint: Path, out: Path, target: Target) -> Export:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_module, "build_graphs", lambda *_, **__: models)
        patch.setattr(parity, "MAX_PCK_LOSS", 100)  # these weights were never trained
        return export_bundle(checkpoint, out, shots=SHOTS, precision="int8", target=target)


def test_onnx_runtime_does_every_convolution_of_the_backbone_in_8_bits(
    recorded_cpu: tuple[Export, Traced], calibration: list[Image], checkpoint: Path, tmp_path: Path
) -> None:
    made = export(eight_bits(recorded_cpu[1], calibration, "cpu"), checkpoint, tmp_path / "b", "cpu")
    assert made.model.precision == "int8"
    count = sum(
        node.op_type == "Conv" and scope(node).split(".")[0] == "backbone"
        for node in recorded_cpu[1][1]["query"].graph
    )
    options = ort.SessionOptions()
    options.register_custom_ops_library(str(operators.library("onnxruntime")))
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(str(made.path / "query.onnx"), options, ["CPUExecutionProvider"])
    kinds = Counter(
        node.op_type for node in onnx.load(tmp_path / "optimized.onnx", load_external_data=False).graph.node
    )
    assert kinds["QLinearConv"] == count


def test_half_around_8_bits_is_right_in_onnx_runtime(
    traced: Traced, calibration: list[Image], checkpoint: Path, tmp_path: Path
) -> None:
    """It would round biases in half, where they overflow; the backend forbids that."""
    models = eight_bits(traced, calibration, "gpu", bias=30)
    made = export(models, checkpoint, tmp_path / "b", "gpu")
    for name, graph in models.items():
        for node in graph.graph:
            for value in node.inputs[1:2] if node.op_type == "DequantizeLinear" else ():
                assert value is not None
                assert value.dtype == ir.DataType.FLOAT16, name
    bundle = Bundle(path=made.path, model=made.model)
    backend = OnnxRuntimeBackend(bundle, threads=1)
    options = ort.SessionOptions()
    options.register_custom_ops_library(str(operators.library("onnxruntime")))
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    plain = ort.InferenceSession(str(made.path / "pair.onnx"), options, ["CPUExecutionProvider"])
    for example in draw_examples(CONFIG.inputs, shots=SHOTS, data=None, count=4)[0]:
        feed = example.inputs
        apart = backend.run("pair", feed)["points"] - plain.run(["points"], feed)[0]
        assert np.abs(apart).max() < 1e-4


def test_crops_that_show_the_ranges_are_not_those_that_are_compared() -> None:
    compared, _ = draw_examples(CONFIG.inputs, shots=1, data=None, count=COUNT)
    shown = {crop.tobytes() for crop in draw_calibration(CONFIG.inputs)}
    assert not shown & {example.query.tobytes() for example in compared}


def test_a_loss_of_points_is_refused_and_a_gain_is_not() -> None:
    parity = verify.Parity(
        max_px=20,
        p99_px=9,
        per_layer_max=[0.1],
        state_max=0,
        score_max=0.5,
        search_max=0,
        pck_torch=50,
        pairs=48,
        pck_bundle=52,
        keypoints=1000,
        examples=[],
    )
    verify.check(parity, "int8")
    with pytest.raises(verify.ParityError, match=r"difference between cached and whole is 0\.01"):
        verify.check(replace(parity, state_max=0.01), "int8")
    with pytest.raises(verify.ParityError, match=r"loss of PCK@0\.05 .* is 3.* without --int8"):
        verify.check(replace(parity, pck_bundle=47), "int8")
