# SPDX-License-Identifier: Apache-2.0
"""Backbones of timm: from images to maps of strides 8, 16 and 32, whatever kind of network it is.

Weights come from a checkpoint or a file, never from the network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fmmp_train.model.limits import check_backbone_name

STRIDES = (8, 16, 32)


def create_backbone(name: str, image_size: int) -> nn.Module:
    """Build timm's `name` with random weights: images (B, 3, S, S) -> maps (B, C_l, H_l, W_l) of `STRIDES`.

    Convolutional and hierarchical networks give their own maps, channels first. A plain vision transformer,
    which has one map of one size, gets a simple feature pyramid: see `PlainBackbone`.

    Args:
        name: timm's.
        image_size: pixels of both sides of what it will see; a transformer's tables of positions follow it.

    Raises:
        ValueError: timm has no such network, or it can't give these maps; says which of them is missing.
    """
    check_backbone_name(name)
    try:
        with torch.device("meta"):  # shapes alone
            probe: Any = timm.create_model(name, features_only=True, pretrained=False)
    except (RuntimeError, AttributeError, AssertionError) as error:
        raise ValueError(f"backbone {name!r} is no timm model with feature maps: {error}") from error
    reductions: list[int] = probe.feature_info.reduction()
    if len(set(reductions)) == 1:
        return _create_plain(name, image_size, reductions[0])
    if missing := sorted(set(STRIDES) - set(reductions)):
        raise ValueError(f"backbone {name!r} has feature maps of strides {reductions}; missing {missing}")
    maps = {
        "features_only": True,
        "out_indices": [reductions.index(stride) for stride in STRIDES],
        **_input_size(probe, image_size),
    }
    if str(getattr(probe, "output_fmt", "NCHW")).endswith("NHWC"):
        maps["feature_cls"] = "getter"  # asks the network for its maps, and puts their channels first
    backbone = _create(name, image_size, maps)
    _check_maps(backbone, name, image_size)
    return backbone


def feature_channels(backbone: nn.Module) -> list[int]:
    """Channels of its maps, fine to coarse."""
    if isinstance(backbone, PlainBackbone):
        return [backbone.channels] * len(STRIDES)
    info: Any = backbone.feature_info
    channels: list[int] = info.channels()
    return channels


def takes_any_size(backbone: nn.Module, image_size: int) -> bool:
    """Whether it also sees images of other sizes than the `image_size` that it was made for."""
    if isinstance(backbone, PlainBackbone):
        return False
    other = image_size + max(STRIDES)
    try:
        with torch.no_grad():
            maps = backbone(torch.zeros(1, 3, other, other))
    except (RuntimeError, AssertionError):
        return False
    return [each.shape[-1] for each in maps] == [other // stride for stride in STRIDES]


class PlainBackbone(nn.Module):
    """A plain vision transformer with a simple feature pyramid: ViTDet, arXiv:2203.16527, section 3.

    The last map alone, after the network's final norm, is made finer by transposed convolutions of 2 x 2 and
    coarser by maximum pooling. Images are resized inside, so that its patches are the cells of the nearest
    stride: patches of 14 pixels become stride 16, and a crop of 256 pixels is seen at 224.
    """

    def __init__(self, model: Any, channels: int, patch: int, image_size: int) -> None:  # noqa: ANN401  # a timm model
        super().__init__()
        self.model = model
        self.channels = channels
        self.image_size = image_size // nearest_stride(patch) * patch
        steps = [round(math.log2(nearest_stride(patch) / stride)) for stride in STRIDES]
        self.scales = nn.ModuleList(_scale(channels, step) for step in steps)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, S, S) -> maps (B, C, H_l, W_l) of `STRIDES`."""
        if images.shape[-1] != self.image_size:
            images = F.interpolate(images, size=(self.image_size, self.image_size), mode="bilinear")
        (last,) = self.model.forward_intermediates(
            images, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return [scale(last) for scale in self.scales]


def nearest_stride(patch: int) -> int:
    """The power of two that patches of this many pixels are nearest to, in ratio."""
    return 1 << round(math.log2(patch))


def _scale(channels: int, step: int) -> nn.Module:
    """A map (B, C, H, W) made 2^step times as fine; starts as a repetition of cells, or their maximum."""
    if step <= 0:
        return nn.MaxPool2d(2**-step) if step else nn.Identity()
    layers = []
    for _ in range(step):
        layers.append(nn.ConvTranspose2d(channels, channels, 2, stride=2))
        with torch.no_grad():
            layers[-1].weight.copy_(torch.eye(channels)[:, :, None, None].expand(-1, -1, 2, 2))
            nn.init.zeros_(layers[-1].bias)  # type: ignore[arg-type]  # there is one
    return nn.Sequential(*layers)


def _create_plain(name: str, image_size: int, patch: int) -> nn.Module:
    if nearest_stride(patch) not in STRIDES:
        raise ValueError(f"backbone {name!r} has one map of stride {patch}; a pyramid of it needs 8 to 32")
    size = image_size // nearest_stride(patch) * patch
    model: Any = _create(name, image_size, {"num_classes": 0, "img_size": size})
    if not hasattr(model, "forward_intermediates"):
        raise ValueError(f"backbone {name!r} is plain, and timm can't give its last map")
    backbone = PlainBackbone(model, model.num_features, patch, image_size)
    _check_maps(backbone, name, image_size)
    return backbone


def _input_size(probe: Any, image_size: int) -> dict[str, int]:  # noqa: ANN401  # a timm model
    """What tells a network of one input size which; empty for one that takes any."""
    settings = probe.pretrained_cfg
    is_other = tuple(settings["input_size"][1:]) != (image_size, image_size)
    return {"img_size": image_size} if settings.get("fixed_input_size") and is_other else {}


def _create(name: str, image_size: int, settings: dict[str, Any]) -> nn.Module:
    try:
        model: nn.Module = timm.create_model(name, pretrained=False, **settings)
    except (TypeError, AssertionError, ValueError) as error:
        raise ValueError(f"backbone {name!r} can't see images of {image_size} pixels: {error}") from error
    return model


@torch.no_grad()
def _check_maps(backbone: nn.Module, name: str, image_size: int) -> None:
    """See that the maps have the sizes that their strides say: some networks pad, crop or refuse."""
    expected = [(image_size // stride,) * 2 for stride in STRIDES]
    is_training = backbone.training
    try:
        maps: Sequence[Tensor] = backbone.eval()(torch.zeros(1, 3, image_size, image_size))
    except (RuntimeError, AssertionError, AttributeError, TypeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"backbone {name!r} can't see images of {image_size} pixels: {first}") from error
    backbone.train(is_training)
    found = [tuple(each.shape[-2:]) for each in maps]
    if found != expected or [each.shape[1] for each in maps] != feature_channels(backbone):
        raise ValueError(
            f"backbone {name!r} gives maps of {[tuple(each.shape[1:]) for each in maps]} for "
            f"{image_size} pixels; needed are channels first, in cells of {expected}"
        )
