# SPDX-License-Identifier: Apache-2.0
"""EdgeCape: CapeFormer's two stages on DINOv2, with a decoder that knows weighted links."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fmmp_runtime.pose import InputConfig
from fmmp_train.model.capeformer.config import CapeFormerConfig
from fmmp_train.model.capeformer.decoder import DecoderLayer
from fmmp_train.model.capeformer.network import CapeFormer, State
from fmmp_train.model.edgecape.layers import EdgeLayer
from fmmp_train.model.edgecape.skeleton import SkeletonHead, between, hops


@dataclass(frozen=True, kw_only=True)
class EdgeCapeConfig(CapeFormerConfig):
    """As released by default, after the last of its three stages."""

    backbone: str = "vit_small_patch14_dinov2"
    feed_forward: int = 384
    sigma: int = 1
    image_size: int = 224

    @property
    def inputs(self) -> InputConfig:
        """Keypoints filled up with hidden ones; links as an adjacency."""
        return replace(super().inputs, structure="adjacency")


class EdgeCape(CapeFormer):
    """CapeFormer's network with a head that weighs the links."""

    config: EdgeCapeConfig

    def __init__(self, config: EdgeCapeConfig) -> None:
        super().__init__(config)
        self.skeleton = SkeletonHead(
            self.backbone.channels, config.dim, config.num_heads, config.feed_forward, config.num_layers
        )

    def _layer(self) -> DecoderLayer:
        return EdgeLayer(self.config.dim, self.config.num_heads, self.config.feed_forward)

    def _order(self) -> Tensor:
        """No code of the keypoints' order."""
        return torch.zeros(self.config.max_keypoints, self.config.dim)

    def support_state(  # type: ignore[override]  # links too
        self, support: Tensor, keypoints: Tensor, visible: Tensor, adjacency: Tensor
    ) -> State:
        """Encode the supports once for all queries; as released, links are those of the first."""
        features = self.features(support.flatten(0, 1))
        state = self.describe(features, keypoints, visible)
        linked = self.linked(adjacency, state)
        refined = self.skeleton.refine(state.tokens, features, linked, state.visible, self.cell_code)
        weights = self.skeleton.weigh(refined.mean(1), linked, state.visible)
        own = state.visible[..., None].to(weights.dtype)
        return state._replace(links=(own, weights.mT, hops(weights)))

    def linked(self, adjacency: Tensor, state: State) -> Tensor:
        """Links (B, K, K) among visible keypoints, 0 or 1, of adjacencies (B, S, K, K) bool."""
        links = adjacency[:, 0].to(state.tokens.dtype)
        return links * between(state.visible, links)
