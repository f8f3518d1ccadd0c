# SPDX-License-Identifier: Apache-2.0
"""Backbones of every kind: maps of three strides, channels first, in the sizes that the pyramid expects."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch.nn import functional as F

from fmmp_train.checkpoint.pretrained import load_pretrained, timm_name
from fmmp_train.model import ModelConfig, Network
from fmmp_train.model.backbones.maps import PlainBackbone, create_backbone, feature_channels
from fmmp_train.training.optimizer import rate_of
from fmmp_train.training.presets import PRESETS
from tests.backbones import HIERARCHICAL, PLAIN

SIZE = 64
KINDS = ("test_resnet", "test_convnext", HIERARCHICAL, PLAIN, "test_vit")


@pytest.mark.parametrize("name", KINDS)
def test_maps_have_their_strides_and_channels_first(name: str) -> None:
    backbone = create_backbone(name, SIZE)
    maps = backbone(torch.rand(2, 3, SIZE, SIZE))
    assert [tuple(each.shape) for each in maps] == [
        (2, channels, SIZE // stride, SIZE // stride)
        for channels, stride in zip(feature_channels(backbone), (8, 16, 32), strict=True)
    ]


def test_channels_last_are_moved_not_reshaped() -> None:
    """Against the network itself, asked for its maps as they are."""
    backbone = create_backbone(HIERARCHICAL, SIZE).eval()
    own = timm.create_model(HIERARCHICAL, features_only=True, out_indices=(1, 2, 3), img_size=SIZE).eval()
    state = backbone.state_dict()
    own.load_state_dict({key: state[f"model.{timm_name(key)}"] for key in own.state_dict()})
    images = torch.rand(1, 3, SIZE, SIZE)
    for ours, theirs in zip(backbone(images), own(images), strict=True):
        torch.testing.assert_close(ours, theirs.permute(0, 3, 1, 2), rtol=0, atol=1e-6)


def test_a_plain_transformer_sees_one_patch_a_cell() -> None:
    """Patches of 14 pixels are cells of stride 16: a crop of 64 is seen at 56, its four cells a side."""
    backbone = create_backbone(PLAIN, SIZE).eval()
    assert isinstance(backbone, PlainBackbone)
    assert backbone.image_size == 56
    assert backbone.model.pos_embed.shape[1] == 1 + 4 * 4
    images = torch.rand(1, 3, SIZE, SIZE)
    small = F.interpolate(images, size=(56, 56), mode="bilinear")
    last = backbone.model.forward_features(small)[:, 1:].unflatten(1, (4, 4)).permute(0, 3, 1, 2)
    fine, middle, coarse = backbone(images)
    torch.testing.assert_close(middle, last, rtol=0, atol=1e-6)
    torch.testing.assert_close(coarse, F.max_pool2d(last, 2), rtol=0, atol=1e-6)
    # Untrained, the finer map repeats cells: it says nothing wrong before it has learnt anything.
    torch.testing.assert_close(
        fine, last.repeat_interleave(2, -1).repeat_interleave(2, -2), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_model", "is no timm model"),
        ("nest_tiny", r"strides \[4, 8, 16\]; missing \[32\]"),
        ("levit_128", r"missing \[8\]"),
        ("efficientformer_l1", "can't see images of 64 pixels"),
    ],
)
def test_a_backbone_that_cannot_serve_is_refused_in_one_line(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        create_backbone(name, SIZE)
    assert "\n" not in str(caught.value)


def test_dinov2_file_of_another_size(tmp_path: Path) -> None:
    """Meta's file: timm's names, a mask token, positions of 37 x 37 patches."""
    source = timm.create_model(PLAIN).state_dict()
    torch.nn.init.normal_(source["pos_embed"])
    torch.save(source | {"mask_token": torch.zeros(1, 16)}, tmp_path / "dinov2_vits14_pretrain.pth")
    backbone = create_backbone(PLAIN, SIZE)
    load_pretrained(backbone, PLAIN, str(tmp_path / "dinov2_vits14_pretrain.pth"))
    state = backbone.state_dict()
    assert torch.equal(state["model.blocks.1.attn.qkv.weight"], source["blocks.1.attn.qkv.weight"])
    table = source["pos_embed"][:, 1:].unflatten(1, (37, 37)).permute(0, 3, 1, 2)
    resampled = F.interpolate(table, size=(4, 4), mode="bicubic", antialias=True).flatten(2).mT
    torch.testing.assert_close(state["model.pos_embed"][:, 1:], resampled, rtol=0, atol=1e-6)
    assert torch.equal(state["model.pos_embed"][:, :1], source["pos_embed"][:, :1])


@pytest.mark.parametrize("name", ["test_resnet", HIERARCHICAL, "test_convnext"])
def test_files_of_the_whole_network(name: str, tmp_path: Path) -> None:
    """Every parameter of the backbone is in it, under the name that it has there."""
    source = timm.create_model(name).state_dict()
    torch.save(source, tmp_path / "weights.pth")
    backbone = create_backbone(name, SIZE)
    load_pretrained(backbone, name, str(tmp_path / "weights.pth"))
    for key, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, source[timm_name(key)]), key


def test_a_file_of_another_network_is_refused_by_name(tmp_path: Path) -> None:
    torch.save(timm.create_model(PLAIN).state_dict(), tmp_path / "dino.pth")
    with pytest.raises(ValueError, match=r"tiny_swinv2 are missing, first: patch_embed\.norm\.weight"):
        load_pretrained(create_backbone(HIERARCHICAL, SIZE), HIERARCHICAL, str(tmp_path / "dino.pth"))


@pytest.mark.parametrize(
    ("preset", "backbone", "frozen"),
    [
        ("released-swinv2-t", "swinv2_tiny_window8_256", False),
        ("released-convnext-t", "convnext_tiny", False),
        ("released-dinov2-s", "vit_small_patch14_dinov2", True),
    ],
)
def test_presets_of_other_backbones(preset: str, backbone: str, frozen: bool) -> None:
    config = PRESETS[preset]()
    assert config.model == ModelConfig(backbone=backbone)
    assert config.backbone_weights == "file"
    rates = config.optimizer.rates
    assert rate_of("backbone.model.norm.weight", rates) == (0 if frozen else 0.1)
    assert rate_of("pyramid.lateral.0.weight", rates) == 1
    if frozen:  # what is not DINOv2's still learns
        assert rate_of("backbone.scales.0.0.weight", rates) == 1


@pytest.mark.parametrize("name", [HIERARCHICAL, PLAIN])
def test_it_learns_from_its_first_layer(name: str) -> None:
    config = ModelConfig(backbone=name, dim=16, num_heads=4, num_layers=1, image_size=SIZE, structure="lite")
    network = Network(config)
    tokens = network.encode(network.backbone(torch.rand(1, 3, SIZE, SIZE))).tokens
    (first,) = (
        weight for key, weight in network.named_parameters() if key.endswith("patch_embed.proj.weight")
    )
    (gradient,) = torch.autograd.grad(tokens.square().sum(), first)
    assert gradient.abs().sum() > 0
