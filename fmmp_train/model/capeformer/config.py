# SPDX-License-Identifier: Apache-2.0
"""The shape of CapeFormer."""

from __future__ import annotations

from dataclasses import dataclass

from fmmp_runtime.pose import InputConfig
from fmmp_train.model.limits import Settings


@dataclass(frozen=True, kw_only=True)
class CapeFormerConfig(Settings):
    """As released by default; saved in the checkpoint."""

    backbone: str = "resnet50"  # timm's name; its last map is read
    dim: int = 256  # channels of a token
    num_heads: int = 8
    num_layers: int = 3  # of the encoder, and of the decoder
    feed_forward: int = 2048  # channels inside
    sigma: int = 2  # of the support's heat maps, cells of 64
    max_keypoints: int = 100  # K; enters the code of the keypoints' order
    image_size: int = 256  # pixels, both sides of a crop

    @property
    def inputs(self) -> InputConfig:
        """Keypoints filled up with hidden ones; no links."""
        return InputConfig(
            image_size=self.image_size,
            max_keypoints=self.max_keypoints,
            padding="zero",
            structure=None,
            shown_by="every",
        )
