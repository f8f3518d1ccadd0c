# SPDX-License-Identifier: Apache-2.0
"""A backbone of timm of which the last map alone is read, as most of the family do."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn


class LastMap(nn.Module):
    """Images (B, 3, S, S) -> the last map (B, C, H, W) of timm's `name`, normed where the network ends so.

    Raises:
        ValueError: timm has no such network, or it can't see images of this size.
    """

    def __init__(self, name: str, image_size: int) -> None:
        super().__init__()
        try:
            with torch.device("meta"):
                probe: Any = timm.create_model(name, pretrained=False, num_classes=0)
            size: Any = {"img_size": image_size} if probe.pretrained_cfg.get("fixed_input_size") else {}
            model: Any = timm.create_model(name, pretrained=False, num_classes=0, **size)
        except (RuntimeError, TypeError, AssertionError) as error:
            raise ValueError(f"backbone {name!r} can't be made for {image_size} pixels: {error}") from error
        self.model = model
        self.channels = int(self.model.num_features)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, C, H, W)."""
        model: Any = self.model
        maps: list[Tensor] = model.forward_intermediates(
            images, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return maps[0]
