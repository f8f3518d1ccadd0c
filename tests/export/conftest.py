# SPDX-License-Identifier: Apache-2.0
"""One small network with every part that a real one has, exported once in every way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fmmp_export.export import Export, export_bundle
from fmmp_train.checkpoint import save_model
from fmmp_train.model import ModelConfig, Network

SHOTS = 2
CONFIG = ModelConfig(
    backbone="test_efficientnet",  # 80 000 parameters; batch normalisation, uneven padding
    dim=32,
    num_heads=4,
    num_points=2,
    num_layers=2,
    max_keypoints=12,
    image_size=64,
    structure="full",
    start="match",
)


@pytest.fixture(scope="session")
def network() -> Network:
    """Random weights that move the points; those of a fresh network leave them where they start."""
    torch.manual_seed(0)
    network = Network(CONFIG).eval()
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if name.startswith("point_heads") and name.endswith("6.weight"):
                tensor.normal_(std=0.3)
            if "sampling_offsets.weight" in name or "attention_weights.weight" in name:
                tensor.normal_(std=0.1)
    return network


@pytest.fixture(scope="session")
def checkpoint(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_model(network, path)
    return path


@pytest.fixture(scope="session")
def float_export(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export_bundle(checkpoint, tmp_path_factory.mktemp("float") / "small-fp32", shots=SHOTS)


@pytest.fixture(scope="session")
def half_export(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export_bundle(
        checkpoint, tmp_path_factory.mktemp("half") / "small-fp16", shots=SHOTS, precision="fp16"
    )
