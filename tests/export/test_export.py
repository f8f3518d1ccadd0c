# SPDX-License-Identifier: Apache-2.0
"""Whether a bundle gives what its network gives, and what happens where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray

from fmmp_export import export as export_module
from fmmp_export.export import (
    Export,
    assemble,
    build_graphs,
    export_bundle,
    with_keypoints,
)
from fmmp_export.graph import writer
from fmmp_export.graph.operator import NVIDIA, Msda, OperatorName
from fmmp_export.parity.examples import PER_PHOTOGRAPH, draw_examples
from fmmp_export.parity.verify import BACKEND, ParityError
from fmmp_runtime import PoseEstimator, Support
from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import Precision
from fmmp_runtime.operators import FOLDER_VARIABLE, library
from fmmp_train.data.tools.write import write_synthetic
from fmmp_train.model import Network
from fmmp_train.model.estimator import locate_crops
from fmmp_train.model.images import normalize
from tests.export.conftest import CONFIG, SHOTS, Traced, copy_of

Feed = dict[str, NDArray[Any]]

# Two float32 implementations of the full network differ by about 1e-5. Random weights, here, move points by a
# tenth of the crop and more, which enlarges that (2.6e-5 is the most seen); the exporter itself allows 1e-4.
FLOAT_ATOL = 5e-5
# Half rounds by 2^-11; offsets of some cells make of that less than a pixel of 64.
HALF_ATOL = 1 / 64


def draw_feed(seed: int, visible_share: float = 0.7) -> Feed:
    """Random inputs of the pair graph."""
    rng = np.random.default_rng(seed)
    size, count = CONFIG.image_size, CONFIG.max_keypoints
    return {
        "query": rng.integers(0, 256, (1, size, size, 3), np.uint8),
        "support": rng.integers(0, 256, (1, SHOTS, size, size, 3), np.uint8),
        "keypoints": rng.uniform(-0.1, 1.1, (1, SHOTS, count, 2)).astype(np.float32),
        "visible": rng.random((1, SHOTS, count)) < visible_share,
        "reference_index": rng.integers(0, count, (1, SHOTS, count, CONFIG.num_heads)),
    }


@torch.inference_mode()
def run_torch(network: Network, feed: Feed) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    tensors = {name: torch.from_numpy(array) for name, array in feed.items()}
    state = network.support_state(
        normalize(tensors["support"]), tensors["keypoints"], tensors["visible"], tensors["reference_index"]
    )
    located = network.locate(normalize(tensors["query"]), state)
    return located.points.numpy(), located.score.numpy()


def run_cached(backend: OnnxRuntimeBackend, feed: Feed) -> Feed:
    state = backend.run("support", {name: array for name, array in feed.items() if name != "query"})
    return backend.run("query", {"query": feed["query"], **state})


@pytest.mark.parametrize("kernel", ["compiled", "definition"])
@pytest.mark.parametrize("made", ["float_export", "cpu_export"])
@pytest.mark.parametrize("seed", range(3))
def test_float_bundle_gives_what_torch_gives(
    network: Network,
    seed: int,
    made: str,
    kernel: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    float_export: Export = request.getfixturevalue(made)
    if kernel == "definition":
        monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    else:
        try:
            library("onnxruntime")
        except FileNotFoundError as error:
            pytest.skip(str(error))
    backend = OnnxRuntimeBackend(Bundle.open(float_export.path), threads=1)
    feed = draw_feed(seed)
    points, score = run_torch(network, feed)
    assert np.ptp(points[-1], axis=1).min() > 0.05  # the weights do move points
    for found in (backend.run("pair", feed), run_cached(backend, feed)):
        np.testing.assert_allclose(found["points"], points, rtol=0, atol=FLOAT_ATOL)
        np.testing.assert_allclose(found["score"], score, rtol=0, atol=1e-3)


@pytest.mark.parametrize("made", ["half_export", "cpu_half_export"])
@pytest.mark.parametrize("seed", range(3))
def test_half_bundle_stays_within_a_pixel(
    network: Network, seed: int, made: str, request: pytest.FixtureRequest
) -> None:
    backend = OnnxRuntimeBackend(Bundle.open(request.getfixturevalue(made).path), threads=1)
    feed = draw_feed(seed)
    points, _ = run_torch(network, feed)
    for found in (backend.run("pair", feed), run_cached(backend, feed)):
        assert found["points"].dtype == np.float32
        np.testing.assert_allclose(found["points"], points, rtol=0, atol=HALF_ATOL)


@pytest.mark.parametrize("precision", ["float_export", "half_export"])
def test_frames_at_once_give_what_they_give_alone(precision: str, request: pytest.FixtureRequest) -> None:
    """Each frame of a batch has a support of its own."""
    export: Export = request.getfixturevalue(precision)
    backend = OnnxRuntimeBackend(Bundle.open(export.path), threads=1)
    feeds = [draw_feed(seed) for seed in range(3)]
    states = [backend.run("support", {k: v for k, v in feed.items() if k != "query"}) for feed in feeds]
    rows = [{"query": feed["query"], **state} for feed, state in zip(feeds, states, strict=True)]
    together = backend.run(
        "query_batch3", {key: np.concatenate([row[key] for row in rows]) for key in rows[0]}
    )
    alone = [backend.run("query", row) for row in rows]
    atol = FLOAT_ATOL if precision == "float_export" else HALF_ATOL
    for key, axis in (("points", 1), ("score", 0)):
        expected = np.concatenate([row[key] for row in alone], axis=axis)
        assert together[key].shape == expected.shape
        np.testing.assert_allclose(together[key], expected, rtol=0, atol=atol if key == "points" else 0.1)
    assert np.abs(alone[0]["points"] - alone[1]["points"]).max() > 0.05


def test_an_operator_of_the_cpu_has_one_name(network: Network) -> None:
    with pytest.raises(ValueError, match="'nvidia' goes with target 'gpu'"):
        build_graphs(network, precision="fp32", shots=1, target="cpu", msda="nvidia")


@pytest.mark.parametrize("made", ["float_export", "half_export"])
def test_a_support_without_visible_keypoints_gives_numbers(made: str, request: pytest.FixtureRequest) -> None:
    backend = OnnxRuntimeBackend(Bundle.open(request.getfixturevalue(made).path), threads=1)
    found = backend.run("pair", draw_feed(0, visible_share=0))
    assert np.isfinite(found["points"]).all()
    assert np.isfinite(found["score"]).all()


def test_the_runtime_runs_it(float_export: Export) -> None:
    estimator = PoseEstimator(float_export.path)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (90, 120, 3), np.uint8)
    state = estimator.remember([Support(image, [[30, 20], [80, 30], [60, 70]], [[0, 1], [1, 2]])])
    pose = estimator.locate(image, state)
    assert pose.keypoints.shape == (3, 2)
    assert ((pose.score >= 0) & (pose.score <= 1)).all()


def test_model_json_says_what_was_measured(float_export: Export, checkpoint: Path) -> None:
    model = Bundle.open(float_export.path).model
    assert model.source.file == checkpoint.name
    assert (model.shots, model.keypoints, model.precision) == (SHOTS, CONFIG.max_keypoints, "fp32")
    parity = model.parity[BACKEND]
    assert max(parity["per_layer_max"]) < FLOAT_ATOL
    assert len(parity["per_layer_max"]) == CONFIG.num_layers
    assert parity["keypoints"] > 50
    assert parity["examples"]


@pytest.mark.parametrize(
    ("precision", "msda", "operator"), [("fp16", "nvidia", NVIDIA), ("fp32", "standard", None)]
)
def test_other_ways_to_write_the_operator(
    traced: Traced,
    network: Network,
    precision: Precision,
    msda: Msda,
    operator: OperatorName | None,
    tmp_path: Path,
) -> None:
    models = assemble(*copy_of(traced), half=precision == "fp16", msda=msda)
    writer.write(models, tmp_path)
    pair = onnx.load(tmp_path / "pair.onnx")
    called = [node for node in pair.graph.node if node.domain]
    if operator is None:
        assert not called
        assert not pair.functions
    else:
        assert {(node.domain, node.op_type) for node in called} == {(operator.domain, operator.op_type)}
        inferred = onnx.shape_inference.infer_shapes(pair).graph.value_info
        types = {value.name: value.type.tensor_type.elem_type for value in inferred}
        assert {types[node.input[0]] for node in called} == {onnx.TensorProto.FLOAT}
    session = ort.InferenceSession(tmp_path / "pair.onnx", providers=["CPUExecutionProvider"])
    feed = draw_feed(5)
    points, _ = run_torch(network, feed)
    atol = FLOAT_ATOL if precision == "fp32" else HALF_ATOL
    np.testing.assert_allclose(session.run(["points"], feed)[0], points, rtol=0, atol=atol)


def load_graphs(export: Export) -> dict[str, ir.Model]:
    return {name: ir.load(export.path / spec.file) for name, spec in export.model.graphs.items()}


@pytest.mark.parametrize("scale", [-1, float("nan")])
def test_a_bundle_that_differs_is_refused_and_the_old_one_stays(
    float_export: Export, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scale: float
) -> None:
    models = load_graphs(float_export)
    for name in ("pair", "support", "query", "query_batch3"):
        model = models[name]
        value = model.graph.initializers["pyramid.lateral.0.weight"]
        assert value.const_value is not None
        value.const_value = ir.tensor(value.const_value.numpy() * np.float32(scale), name=value.name)
    out = tmp_path / "bundle"
    monkeypatch.setattr(export_module, "build_graphs", lambda *_, **__: load_graphs(float_export))
    export_bundle(checkpoint, out, shots=SHOTS)
    before = (out / "model.json").read_bytes()
    monkeypatch.setattr(export_module, "build_graphs", lambda *_, **__: models)
    with pytest.raises(ParityError, match=r"nothing was written: .* is .*, at most 0\.0001 is allowed"):
        export_bundle(checkpoint, out, shots=SHOTS)
    assert (out / "model.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_another_number_of_keypoints_needs_no_other_weights(network: Network) -> None:
    assert with_keypoints(network, None) is network
    other = with_keypoints(network, 5)
    assert other.config.inputs.max_keypoints == 5
    examples, _ = draw_examples(other.config.inputs, shots=1, data=None, count=1)
    assert examples[0].num_keypoints == min(5, PER_PHOTOGRAPH)
    points = locate_crops(other, examples[0].inputs).points
    assert points.shape == (CONFIG.num_layers, 1, 5, 2)


def test_examples_are_the_same_every_time() -> None:
    first, names = draw_examples(CONFIG.inputs, shots=SHOTS, data=None, count=2)
    again, _ = draw_examples(CONFIG.inputs, shots=SHOTS, data=None, count=2)
    assert names
    np.testing.assert_equal(again, first)  # of lists, tuples and arrays alike


def test_data_whose_links_count_from_either(tmp_path: Path) -> None:
    file = write_synthetic(tmp_path, categories=1, instances=3, seed=0, split="val")
    content = json.loads(file.read_text())
    content["categories"][0]["skeleton"] = [[1, 2]]
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"--links-from 0\|1"):
        draw_examples(CONFIG.inputs, shots=1, data=tmp_path, count=1)
    from_zero, from_one = (
        draw_examples(CONFIG.inputs, shots=1, data=tmp_path, count=1, links_from=start)[0][0].links.tolist()
        for start in (0, 1)
    )
    assert from_zero != from_one
