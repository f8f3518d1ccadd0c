# SPDX-License-Identifier: Apache-2.0
"""FMMP: recurrent mining of support and query features, FMMP section 3.2."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fmmp_train.model.config import ModelConfig
from fmmp_train.model.encoding import PositionCode, order_code
from fmmp_train.model.miner import Miner
from fmmp_train.model.pyramid import Pyramid, create_backbone, tokens_of

MIN_SHOTS_VISIBLE = 0.1  # denominator of a mean over shots in which a keypoint is hidden everywhere


class SupportState(NamedTuple):
    """All of the support that does not depend on the query; computed once per support set."""

    tokens: Tensor  # (B, S, N, C)
    keypoints: Tensor  # (B, S, K, 2) in [0, 1]
    visible: Tensor  # (B, S, K) bool
    reference_index: Tensor  # (B, S, K, M) int64
    mined: Tensor  # (B, K, C), F_s after layer 0


def mean_over_shots(features: Tensor, visible: Tensor) -> Tensor:
    """Mean of (B, S, K, C) over the shots in which a keypoint is `visible` (B, S, K) -> (B, K, C)."""
    weight = visible[..., None].to(features.dtype)
    return (features * weight).sum(1) / weight.sum(1).clamp(min=MIN_SHOTS_VISIBLE)


class Network(nn.Module):
    """Locate the keypoints of any category in a query image, given annotated support images."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = create_backbone(config.backbone)
        self.pyramid = Pyramid(self.backbone.feature_info.channels(), config.dim)
        self.position_code = PositionCode(config.dim)
        self.support_miners = nn.ModuleList(Miner(config) for _ in range(config.num_layers))
        self.query_miners = nn.ModuleList(Miner(config) for _ in range(config.num_layers))
        self.point_heads = nn.ModuleList(_point_head(config.dim) for _ in range(config.num_layers))
        self.register_buffer("order", order_code(config.max_keypoints, config.dim), persistent=False)

    def forward(
        self, query: Tensor, support: Tensor, keypoints: Tensor, visible: Tensor, reference_index: Tensor
    ) -> Tensor:
        """Locate the keypoints of every layer.

        Args:
            query: (B, 3, H, W) normalised float32.
            support: (B, S, 3, H, W), likewise.
            keypoints: (B, S, K, 2), x and y in [0, 1] of the support crops, padded to K.
            visible: (B, S, K) bool.
            reference_index: (B, S, K, M) int64, breadth-first neighbours.

        Returns:
            (L, B, K, 2) in [0, 1] of the query crop; the last layer is the answer.
        """
        return self.locate(query, self.support_state(support, keypoints, visible, reference_index))

    def tokens(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> tokens (B, N, C) of all levels, coarse to fine."""
        return tokens_of(self.pyramid(self.backbone(images)))

    def support_state(
        self, support: Tensor, keypoints: Tensor, visible: Tensor, reference_index: Tensor
    ) -> SupportState:
        """Compute once what every query of this support needs; arguments as in `forward`."""
        batch, shots = support.shape[:2]
        tokens = self.tokens(support.flatten(0, 1)).unflatten(0, (batch, shots))
        embedding = mean_over_shots(self._reference_feature(tokens, keypoints), visible)  # F_q^0
        mined = self._mine_support(0, embedding, tokens, keypoints, visible, reference_index)
        return SupportState(tokens, keypoints, visible, reference_index, mined)

    def locate(self, query: Tensor, state: SupportState) -> Tensor:
        """Query images (B, 3, H, W) -> points of every layer (L, B, K, 2): FMMP, Eq. (3) to (5)."""
        tokens = self.tokens(query)
        points = torch.full_like(state.keypoints[:, 0], 0.5)
        logits = torch.zeros_like(points)
        index = state.reference_index[:, -1]
        mined, answers = state.mined, []
        for layer, (miner, head) in enumerate(zip(self.query_miners, self.point_heads, strict=True)):
            if layer:
                mined = self._mine_support(layer, embedding, *state[:4])
            embedding = miner(mined, tokens, points, self._position(points), index)
            logits = logits + head(embedding)
            answers.append(logits.sigmoid())
            points, logits = answers[-1].detach(), logits.detach()
        return torch.stack(answers)

    def _position(self, points: Tensor) -> Tensor:
        return self.position_code(points) + self.order

    def _reference_feature(self, tokens: Tensor, keypoints: Tensor) -> Tensor:
        """Mean over levels of the bilinear sample at each keypoint: (B, S, N, C), (B, S, K, 2) -> (B, S, K, C)."""
        batch, shots = keypoints.shape[:2]
        grid = (2 * keypoints - 1).flatten(0, 1)[:, :, None]  # (B*S, K, 1, 2)
        sizes = [height * width for height, width in self.config.spatial_shapes]
        samples = [
            F.grid_sample(cells.mT.unflatten(-1, shape), grid, align_corners=False)
            for cells, shape in zip(tokens.flatten(0, 1).split(sizes, 1), self.config.spatial_shapes, strict=True)
        ]
        return torch.stack(samples).mean(0)[..., 0].mT.unflatten(0, (batch, shots))

    def _mine_support(
        self,
        layer: int,
        embedding: Tensor,
        tokens: Tensor,
        keypoints: Tensor,
        visible: Tensor,
        reference_index: Tensor,
    ) -> Tensor:
        """Mine every shot with the keypoint features (B, K, C) and average: F_s (B, K, C), FMMP Eq. (3)."""
        shots = keypoints.shape[1]
        mined = self.support_miners[layer](
            embedding[:, None].expand(-1, shots, -1, -1).flatten(0, 1),
            *(tensor.flatten(0, 1) for tensor in (tokens, keypoints, self._position(keypoints), reference_index)),
            visible.flatten(0, 1),
        )
        return mean_over_shots(mined.unflatten(0, (-1, shots)), visible)


def _point_head(dim: int) -> nn.Sequential:
    """MLP (B, K, C) -> (B, K, 2), a step in logits; the last layer starts at 0, so that P^1 = P^0."""
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(dim, dim), nn.GELU()]
    last = nn.Linear(dim, 2)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
