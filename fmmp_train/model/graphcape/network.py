# SPDX-License-Identifier: Apache-2.0
"""GraphCape: CapeFormer with links in the decoder, no code of the keypoints' order, and Swin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from fmmp_runtime.pose import InputConfig
from fmmp_train.model.capeformer.config import CapeFormerConfig
from fmmp_train.model.capeformer.decoder import DecoderLayer, at_least_one
from fmmp_train.model.capeformer.network import CapeFormer, State
from fmmp_train.model.graphcape.graph import GraphFeedForward, spread_links


@dataclass(frozen=True, kw_only=True)
class GraphCapeConfig(CapeFormerConfig):
    """As released by default."""

    backbone: str = "swinv2_tiny_window16_256"
    feed_forward: int = 768
    sigma: int = 1
    upsample: int = 2  # of the backbone's map, which is Swin's at stride 32

    @property
    def inputs(self) -> InputConfig:
        """Keypoints filled up with hidden ones; links as an adjacency."""
        return replace(super().inputs, structure="adjacency")


class GraphCape(CapeFormer):
    """CapeFormer's network with a graph in its decoder."""

    config: GraphCapeConfig

    def _layer(self) -> DecoderLayer:
        dim = self.config.dim
        return DecoderLayer(dim, self.config.num_heads, GraphFeedForward(dim, self.config.feed_forward))

    def _order(self) -> Tensor:
        """No code: keypoints in another order give the same answers, and K does not matter."""
        return torch.zeros(self.config.max_keypoints, self.config.dim)

    def features(self, images: Tensor) -> Tensor:
        """As CapeFormer's, enlarged bilinearly."""
        features = super().features(images)
        if self.config.upsample == 1:
            return features
        return F.interpolate(features, scale_factor=float(self.config.upsample), mode="bilinear")

    def support_state(  # type: ignore[override]  # links too
        self, support: Tensor, keypoints: Tensor, visible: Tensor, adjacency: Tensor
    ) -> State:
        """Encode the supports once for all queries; as released, links are those of the first."""
        state = super().support_state(support, keypoints, visible)
        return state._replace(links=spread_links(adjacency[:, 0], at_least_one(state.visible)))
