# SPDX-License-Identifier: Apache-2.0
"""The versions of the network that the paper compares: each is exported, checked against torch, and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmmp_export.export import export_bundle
from fmmp_runtime import PoseEstimator, Support
from fmmp_runtime.pose import PADDING_SEED, draw_mixup, pad_keypoints
from fmmp_train.checkpoint.files import save_model
from fmmp_train.model import ModelConfig
from fmmp_train.training.presets import change, released
from tests.train.recipes import network_of

pytestmark = pytest.mark.slow

TINY = ModelConfig(
    backbone="test_efficientnet",
    dim=16,
    num_heads=4,
    num_points=1,
    num_layers=2,
    max_keypoints=9,
    image_size=64,
)


def export_version(name: str, folder: Path) -> Path:
    recipe = change(replace(released(), model=TINY), name)
    save_model(network_of(recipe.model), folder / "version.safetensors")
    return export_bundle(folder / "version.safetensors", folder / name).path  # compares with torch


@pytest.mark.parametrize("name", ["table3-1", "table4-s3q3", "table4-alllink"])
def test_every_version_is_exported_and_runs(name: str, tmp_path: Path) -> None:
    estimator = PoseEstimator(export_version(name, tmp_path))
    image = np.full((50, 60, 3), 99, np.uint8)
    points, links = np.array([[5, 5], [40, 10], [30, 40]], float), np.array([[0, 1], [1, 2]])
    state = estimator.remember([Support(image, points, links)])
    pose = estimator.locate(image, state)
    assert np.isfinite(pose.keypoints).all()


def test_deployment_pads_as_the_network_was_made_for(tmp_path: Path) -> None:
    estimator = PoseEstimator(export_version("table4-mixuptest", tmp_path))
    seen = []
    run = estimator.backend.run

    def watch(graph: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen.append(inputs)
        return run(graph, inputs)

    estimator.backend.run = watch  # type: ignore[method-assign]
    points, links = np.array([[6, 6], [57, 6], [57, 57]], float), np.array([[0, 1], [1, 2]])
    image = np.zeros((64, 64, 3), np.uint8)
    state = estimator.remember([Support(image, points, links, box=(0, 0, 64, 64))])
    assert np.isfinite(estimator.locate(image, state).keypoints).all()
    lam, choice = draw_mixup(2, 6, 1.0, np.random.default_rng(PADDING_SEED))
    own = seen[0]["keypoints"][0, 0, :3]
    expected, _, _ = pad_keypoints(own, np.ones(3, bool), links, 9, "mixup", lam, choice)
    # The crop's own points were rounded to float32 before they were mixed.
    np.testing.assert_allclose(seen[0]["keypoints"][0, 0], expected, rtol=0, atol=1e-6)
