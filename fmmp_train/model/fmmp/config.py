# SPDX-License-Identifier: Apache-2.0
"""The shape of the network, as one frozen value that travels inside every checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from fmmp_runtime import settings
from fmmp_runtime.pose import METHODS, InputConfig, Method
from fmmp_train.model.limits import MAX_WEIGHTS, check_limits

Structure = Literal["full", "lite"]
Start = Literal["center", "match"]
SupportMining = Literal["recurrent", "stacked", "none"]
Links = Literal["category", "all", "none"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Shape of the network; saved in the checkpoint, so that a weight file names its own model."""

    backbone: str = "resnet50"  # timm's name; see `fmmp_train.model.backbones.maps`
    dim: int = 256  # channels of a keypoint embedding
    num_heads: int = 8  # M of the structure: reference points a keypoint reads around
    inner_heads: int = 0  # of self-attention, and of each complete attention of a "full" structure: 8 in all
    # released weights, whatever M is; 0 becomes num_heads, as in files that do not say it
    num_points: int = 4  # samples per head and level
    num_layers: int = 3  # recurrent layers; unrolled on export
    max_keypoints: int = 70  # after padding
    image_size: int = 256  # pixels, both sides of a crop
    structure: Structure = (
        "full"  # each head a complete attention (released), or one head each (Eq. 7 read literally)
    )
    support: SupportMining = "recurrent"
    # The support is mined before each layer of the query, with what the one before found (the paper); in all
    # of its layers before those of the query (Table 4, S3Q3); or not at all (Table 3, #1).
    links: Links = "category"  # what heads read around: linked keypoints, any (AllLink), their own (NoneLink)
    test_padding: Method = "uniform"  # of a support's keypoints to K, at deployment
    start: Start = "center"  # P^0: 0.5 (the paper, released weights), or a match of features (small models)
    orientations: int = 1  # views of the support, turned by quarters, of which the best match is used; 1 or 4

    def __post_init__(self) -> None:
        """Fill in the inner heads; refuse what no network can be built from."""
        object.__setattr__(self, "inner_heads", self.inner_heads or self.num_heads)
        check_limits(self)
        weights = self.num_layers * (self.num_heads if self.structure == "full" else 1) * self.dim**2
        if weights > MAX_WEIGHTS:
            raise ValueError(
                f"num_layers ({self.num_layers}), num_heads ({self.num_heads}) and dim ({self.dim}) make a "
                "network that no machine holds: lower one of them"
            )
        heads = self.inner_heads if self.structure == "full" else math.lcm(self.inner_heads, self.num_heads)
        if self.dim % math.lcm(4, heads):
            raise ValueError(
                f"dim ({self.dim}) must be a multiple of 4 and of the heads that share it (num_heads "
                f"{self.num_heads}, inner_heads {self.inner_heads})"
            )
        if self.image_size % 32:
            raise ValueError(f"image_size ({self.image_size}) must be a multiple of 32, the coarsest stride")
        if self.orientations > 1 and self.start != "match":
            raise ValueError('orientations need start="match": without a match none of them is the best')
        for name, choices in (
            ("structure", get_args(Structure)),
            ("start", get_args(Start)),
            ("support", get_args(SupportMining)),
            ("links", get_args(Links)),
            ("test_padding", METHODS),
            ("orientations", (1, 4)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")

    @property
    def inputs(self) -> InputConfig:
        """What the network reads of a support, beside the image."""
        return InputConfig(
            image_size=self.image_size,
            max_keypoints=self.max_keypoints,
            padding=self.test_padding,
            num_heads=self.num_heads,
        )

    @property
    def support_layers_first(self) -> int:
        """Layers that mine the support before the query is read."""
        return {"recurrent": 1, "stacked": self.num_layers, "none": 0}[self.support]

    @property
    def spatial_shapes(self) -> tuple[tuple[int, int], ...]:
        """(H, W) of each pyramid level, coarse to fine: strides 32, 16, 8."""
        return tuple((self.image_size // stride, self.image_size // stride) for stride in (32, 16, 8))

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Read what `to_json` wrote; raises as `fmmp_runtime.settings.from_json` does."""
        return settings.from_json(cls, text)

    def to_json(self) -> str:
        """One line of JSON with every field."""
        return settings.to_json(self)
