# SPDX-License-Identifier: Apache-2.0
"""Every estimator through support and query graphs, with keypoints hidden, absent or outside the image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch

from fmmp_export.export import build_graphs, export_bundle
from fmmp_export.graph import writer
from fmmp_export.graph.parts import flatten_state
from fmmp_runtime import PoseEstimator, Support
from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.reference import Reference, compare
from fmmp_runtime.pose import support_inputs
from fmmp_train.checkpoint.files import save_model
from fmmp_train.model import Estimator
from fmmp_train.model.capeformer import CapeFormer, CapeFormerConfig
from fmmp_train.model.edgecape import EdgeCape, EdgeCapeConfig
from fmmp_train.model.escape import Escape, EscapeConfig
from fmmp_train.model.graphcape import GraphCape, GraphCapeConfig
from fmmp_train.model.images import normalize
from fmmp_train.model.metapoint import MetaPoint, MetaPointConfig
from fmmp_train.model.pomnet import PomNet, PomNetConfig
from fmmp_train.model.scape import Scape, ScapeConfig
from tests.backbones import HIERARCHICAL, PLAIN

pytestmark = pytest.mark.slow
SHAPE: dict[str, Any] = {"dim": 32, "num_heads": 4, "num_layers": 2, "max_keypoints": 12, "image_size": 64}
SHOTS = 2
NETWORKS: dict[str, Callable[[], Estimator]] = {
    "CapeFormer": lambda: CapeFormer(CapeFormerConfig(backbone="test_resnet", feed_forward=32, **SHAPE)),
    "GraphCape": lambda: GraphCape(GraphCapeConfig(backbone=HIERARCHICAL, feed_forward=32, **SHAPE)),
    "EdgeCape": lambda: EdgeCape(
        EdgeCapeConfig(backbone=PLAIN, feed_forward=32, **(SHAPE | {"image_size": 56}))
    ),
    "POMNet": lambda: PomNet(PomNetConfig(backbone="test_resnet", feed_forward=32, **SHAPE)),
    "ESCAPE": lambda: Escape(
        EscapeConfig(
            backbone="test_resnet", feed_forward=32, super_keypoints=20, **(SHAPE | {"num_layers": 1})
        )
    ),
    "SCAPE": lambda: Scape(ScapeConfig(backbone="test_resnet", **SHAPE)),
}
POINTS = 1e-4


def disturb(network: Estimator) -> Estimator:
    """Weights that tell keypoints apart; those of a fresh network leave points where they start."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if "point_head" in name and name.endswith("6.weight"):
                tensor.normal_(std=0.3)
            if name == "super_keypoints":
                tensor.normal_()
    return network.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_graphs_give_what_torch_gives(name: str, tmp_path: Path) -> None:
    network = disturb(NETWORKS[name]())
    writer.write(build_graphs(network, precision="fp32", shots=SHOTS), tmp_path)
    sessions = {
        each: ort.InferenceSession(tmp_path / f"{each}.onnx") for each in ("support", "query", "pair")
    }
    rng = np.random.default_rng(0)
    size = network.config.inputs.image_size
    support = rng.integers(0, 256, (1, SHOTS, size, size, 3), np.uint8)
    query = rng.integers(0, 256, (1, size, size, 3), np.uint8)
    points = rng.uniform(0, 1, (SHOTS, 9, 2))
    points[0, 0] = -0.9  # so far outside that its heat map is empty
    visible = np.ones((SHOTS, 9), bool)
    visible[1, 2] = visible[:, 3] = False
    for shown in (visible, np.zeros_like(visible)):
        row = support_inputs(
            list(zip(points, shown, strict=True)), [[0, 1], [1, 2], [3, 4]], network.config.inputs
        )
        annotation = {key: value[None] for key, value in row.items()}
        with torch.no_grad():
            tensors = (torch.from_numpy(value) for value in annotation.values())
            state = network.support_state(normalize(torch.from_numpy(support)), *tensors)
            expected = network.locate(normalize(torch.from_numpy(query)), state)
        assert expected.points.isfinite().all()
        found = dict(
            zip(
                (each.name for each in sessions["support"].get_outputs()),
                sessions["support"].run(None, {"support": support, **annotation}),
                strict=True,
            )
        )
        assert found.keys() == flatten_state(state).keys()
        located = sessions["query"].run(None, {"query": query, **found})
        together = sessions["pair"].run(None, {"query": query, "support": support, **annotation})
        for graph in (located, together):
            np.testing.assert_allclose(graph[0], expected.points, rtol=0, atol=POINTS)
            np.testing.assert_allclose(graph[1], expected.score, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("name", "structure"), [("CapeFormer", None), ("GraphCape", "adjacency")])
def test_a_bundle_is_opened_and_asked(name: str, structure: str | None, tmp_path: Path) -> None:
    """One whose network reads no links, and one that reads them as an adjacency."""
    save_model(disturb(NETWORKS[name]()), tmp_path / "model.safetensors")
    made = export_bundle(tmp_path / "model.safetensors", tmp_path / "bundle")
    bundle = Bundle.open(made.path)
    assert bundle.model.inputs.structure == structure
    apart = compare(OnnxRuntimeBackend(bundle, threads=1), bundle.model, Reference.load(bundle))
    assert apart.max_px < 0.01
    estimator = PoseEstimator(made.path)
    image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    keypoints, links = np.array([[10, 20], [40, 50], [70, 60]]), [[0, 1], [1, 2]]
    state = estimator.remember([Support(image, keypoints, links, visible=[True, True, False])])
    pose = estimator.locate(image, state)
    assert pose.keypoints.shape == (3, 2)
    assert np.isfinite(pose.keypoints).all()
    assert pose.score[2] == 0


def test_what_no_graph_can_do_is_said() -> None:
    with pytest.raises(ValueError, match="MetaPoint can't be exported yet: the assignment of keypoints"):
        build_graphs(MetaPoint(MetaPointConfig(backbone="test_resnet", **SHAPE)), precision="fp32", shots=1)
