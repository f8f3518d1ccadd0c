# SPDX-License-Identifier: Apache-2.0
"""Whose checkpoint it is, by its names alone; and what does not fit, refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from fmmp_train.checkpoint import load_model, save_model
from fmmp_train.checkpoint.systems import SYSTEMS, name_of
from tests.golden import load_json

State = dict[str, Tensor]

CONFIGURATIONS = {
    "capeformer/parameters": ("capeformer", {"backbone": "resnet50", "max_keypoints": 100, "sigma": 2}),
    "graphcape/parameters": ("graphcape", {"backbone": "resnet50", "upsample": 1}),
    "graphcape/parameters_swinv2_tiny": ("graphcape", {"backbone": "swinv2_tiny_window16_256", "sigma": 1}),
    "graphcape/parameters_swinv2_small": ("graphcape", {"backbone": "swinv2_small_window16_256"}),
    "pomnet/parameters": ("pomnet", {"backbone": "resnet50", "max_keypoints": 100}),
    "escape/parameters": ("escape", {"super_keypoints": 400, "max_keypoints": 68, "num_layers": 6}),
    "escape/parameters_baseline": ("escape", {"super_keypoints": 0}),
    "metapoint/parameters": ("metapoint", {"num_meta_points": 100, "max_keypoints": 70, "num_layers": 3}),
    "scape/parameters": ("scape", {"max_keypoints": 100, "num_experts": 4, "num_layers": 4}),
    "edgecape/parameters": ("edgecape", {"backbone": "vit_small_patch14_dinov2", "image_size": 224}),
}


def zeros(parameters: str) -> State:
    return {name: torch.zeros(shape) for name, shape in load_json(parameters)}


@pytest.mark.slow
@pytest.mark.parametrize(("parameters", "expected"), CONFIGURATIONS.items(), ids=CONFIGURATIONS)
def test_a_released_checkpoint_says_what_it_is(
    parameters: str, expected: tuple[str, dict[str, object]], tmp_path: Path
) -> None:
    system, settings = expected
    wrapped = {f"module.{name}": tensor for name, tensor in zeros(parameters).items()}
    torch.save({"state_dict": wrapped, "meta": {"epoch": 200}}, tmp_path / "released.pth")
    network = load_model(tmp_path / "released.pth")
    assert name_of(network) == system
    assert {name: getattr(network.config, name) for name in settings} == settings
    save_model(network, tmp_path / "ours.safetensors")
    again = load_model(tmp_path / "ours.safetensors")
    assert type(again) is SYSTEMS[system].network
    assert again.config == network.config


def test_two_copies_of_a_backbone_must_agree() -> None:
    state = zeros("capeformer/parameters")
    state["encoder_query.layer2.0.conv1.weight"] = torch.ones_like(
        state["encoder_query.layer2.0.conv1.weight"]
    )
    with pytest.raises(ValueError, match=r"two copies .* differ: encoder_query\.layer2\.0\.conv1\.weight"):
        load_model(state)


def test_a_wrong_backbone_is_named() -> None:
    state = zeros("capeformer/parameters")
    changed = {name: tensor for name, tensor in state.items() if ".layer3.5." not in name}
    with pytest.raises(ValueError, match=r"resnet50 differs first at encoder_sample\.layer3\.5\."):
        load_model(changed)


def test_a_head_that_does_not_fit_is_named() -> None:
    state = zeros("graphcape/parameters")
    state["keypoint_head.query_proj.bias"] = torch.zeros(3)
    with pytest.raises(ValueError, match=r"support_projection\.bias \(expected \(256,\), found \(3,\)\)"):
        load_model(state)
    with pytest.raises(ValueError, match=r"nor one of CapeFormer, .*found a\.weight"):
        load_model({"a.weight": torch.zeros(1)})
