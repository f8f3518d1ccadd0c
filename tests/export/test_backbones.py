# SPDX-License-Identifier: Apache-2.0
"""Transformers as backbones, from a network to graphs that ONNX Runtime runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fmmp_export.export import export_bundle
from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend
from fmmp_runtime.bundle.folder import Bundle
from fmmp_train.checkpoint.files import save_model
from fmmp_train.model import ModelConfig, Network
from tests.backbones import HIERARCHICAL, PLAIN
from tests.export.test_export import FLOAT_ATOL, draw_feed, run_torch

pytestmark = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize("backbone", [HIERARCHICAL, PLAIN])
def test_a_transformer_exports_and_runs(backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = ModelConfig(
        backbone=backbone,
        dim=32,
        num_heads=4,
        num_layers=1,
        max_keypoints=12,
        image_size=64,
        structure="lite",
    )
    network = Network(config).eval()
    torch.nn.init.normal_(network.get_parameter("point_heads.0.6.weight"), std=2)
    save_model(network, tmp_path / "model.safetensors")
    made = export_bundle(tmp_path / "model.safetensors", tmp_path / "bundle", shots=2)
    backend = OnnxRuntimeBackend(Bundle(path=made.path, model=made.model), threads=1)
    feed = draw_feed(0)
    expected, _ = run_torch(network, feed)
    assert expected.std() > 0.01  # of the keypoints' places: they are told apart
    np.testing.assert_allclose(backend.run("pair", feed)["points"], expected, rtol=0, atol=FLOAT_ATOL)
