# SPDX-License-Identifier: Apache-2.0
"""CapeFormer, from images to keypoints: match each keypoint with the query's cells, then refine it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_train.model.backbones.last_map import LastMap
from fmmp_train.model.capeformer.config import CapeFormerConfig
from fmmp_train.model.capeformer.decoder import Decoded, Decoder, DecoderLayer, at_least_one
from fmmp_train.model.confidence import Confidence, steps
from fmmp_train.model.encoding import grid_code, order_code
from fmmp_train.model.estimator import Estimator, Located
from fmmp_train.model.heatmap import Heatmaps, draw_heatmaps, pool_features
from fmmp_train.model.joint_encoder import FeedForward, JointEncoder
from fmmp_train.model.proposals import ProposalGenerator, Proposals


class State(NamedTuple):
    """All of the support that a query needs."""

    tokens: Tensor  # (B, K, C); a bias for a keypoint that some shot hides
    visible: Tensor  # (B, K) bool: shown by every shot
    links: tuple[Tensor, ...]  # what the decoder's feed-forward layers read; CapeFormer has none


class Refined(NamedTuple):
    """An answer with all that led to it."""

    proposals: Proposals
    decoded: Decoded
    encoded: tuple[Tensor, Tensor]  # cells (B, N, C) and keypoints (B, K, C) after the encoder


class CapeFormer(Estimator):
    """The network of one backbone for supports and query."""

    cell_code: Tensor
    order: Tensor

    def __init__(self, config: CapeFormerConfig) -> None:
        super().__init__()
        self.config: CapeFormerConfig = config
        dim, heads, layers = config.dim, config.num_heads, config.num_layers
        self.backbone = LastMap(config.backbone, config.image_size)
        self.size = self._map_size()
        self.support_projection = nn.Linear(self.backbone.channels, dim)
        self.query_projection = nn.Conv2d(self.backbone.channels, dim, 1)
        self.encoder = JointEncoder(dim, heads, config.feed_forward, layers)
        self.proposals = ProposalGenerator(dim)
        self.decoder = Decoder(dim, [self._layer() for _ in range(layers)])
        self.confidence = Confidence(2)
        self.register_buffer("cell_code", grid_code(*self.size, dim), persistent=False)
        self.register_buffer("order", self._order(), persistent=False)

    def _layer(self) -> DecoderLayer:
        dim = self.config.dim
        return DecoderLayer(dim, self.config.num_heads, FeedForward(dim, self.config.feed_forward))

    def _order(self) -> Tensor:
        return order_code(self.config.max_keypoints, self.config.dim)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) -> the map (N, C, H, W) that is read of them."""
        features: Tensor = self.backbone(images)
        return features

    @torch.no_grad()
    def _map_size(self) -> tuple[int, int]:
        is_training = self.training
        image = torch.zeros(1, 3, self.config.image_size, self.config.image_size)
        height, width = self.eval().features(image).shape[-2:]
        self.train(is_training)
        return height, width

    def support_state(self, support: Tensor, keypoints: Tensor, visible: Tensor) -> State:
        """Encode the supports, once for all queries: shapes as `Estimator` says."""
        return self.describe(self.features(support.flatten(0, 1)), keypoints, visible)

    def describe(self, features: Tensor, keypoints: Tensor, visible: Tensor) -> State:
        """Keep what `locate` needs of the maps (B * S, C, H, W) of the supports."""
        shots = keypoints.shape[:2]
        heatmaps = draw_heatmaps(
            keypoints, visible, sigma=self.config.sigma, image_size=self.config.image_size
        )
        flat = Heatmaps(*(each.flatten(0, 1) for each in heatmaps))
        pooled = pool_features(features, flat)
        pooled = pooled.view(*shots, *pooled.shape[1:])  # (B, S, K, C)
        shown = heatmaps.shown.all(1)  # (B, K)
        tokens = self.support_projection(pooled.mean(1) * shown[..., None].to(pooled.dtype))
        return State(tokens, shown, ())

    def locate(self, query: Tensor, state: State) -> Located:
        """Keypoints of each query by all layers of the decoder, (L, B, K, 2)."""
        decoded = self.refine(self.features(query), state).decoded
        evidence = steps(torch.cat((decoded.trail[:1], decoded.points)))
        return Located(decoded.points, self.confidence(evidence), evidence)

    def refine(self, features: Tensor, state: State) -> Refined:
        """Find the keypoints of `state` in the query's map (B, C, H, W)."""
        cells = self.query_projection(features).flatten(2).mT
        encoded = self.encoder(cells, state.tokens, state.visible, self.cell_code, self.order)
        cells, keypoints = encoded
        proposals = self.proposals(keypoints, cells, self.size)
        decoded = self.decoder(
            keypoints,
            proposals.points,
            at_least_one(state.visible),
            cells,
            self.cell_code,
            self.order,
            state.links,
        )
        return Refined(proposals, decoded, encoded)
