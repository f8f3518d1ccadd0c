# SPDX-License-Identifier: Apache-2.0
"""FMMP: recurrent mining of support and query features, FMMP section 3.2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_train.model.confidence import Confidence, steps
from fmmp_train.model.config import ModelConfig
from fmmp_train.model.deform_attn import ms_deform_attn
from fmmp_train.model.encoding import PositionCode, order_code
from fmmp_train.model.match import Cues, Descriptor, Found, Match, Template, look_up_evidence, make_template
from fmmp_train.model.miner import Miner
from fmmp_train.model.orientation import TURN_COST, repeat_views, turn_images, turn_keypoints
from fmmp_train.model.pyramid import Pyramid, create_backbone, feature_channels, tokens_of

MIN_SHOTS_VISIBLE = 0.1  # denominator of a mean over shots in which a keypoint is hidden everywhere


class Encoded(NamedTuple):
    """What the network keeps of images."""

    tokens: Tensor  # (B, N, C), the pyramid's levels, coarse to fine
    descriptors: Tensor | None  # (B, H, W, Cd) of stride 8, only when the start is a match


class SupportState(NamedTuple):
    """All of the support that does not depend on the query; computed once per support set.

    With V > 1 orientations B stands for B*V, the views of one support next to each other.
    """

    tokens: Tensor  # (B, S, N, C)
    keypoints: Tensor  # (B, S, K, 2) in [0, 1]
    visible: Tensor  # (B, S, K) bool
    reference_index: Tensor  # (B, S, K, M) int64
    mined: Tensor  # (B, K, C), F_s after layer 0
    template: Template | None  # only when the start is a match


class Located(NamedTuple):
    """The network's answer, and what training and calibration look at."""

    points: Tensor  # (L, B, K, 2) in [0, 1]; the last layer is the answer
    score: Tensor  # (B, K) in [0, 1]
    evidence: Tensor  # (B, K, E) that the score is made of
    found: Found | None  # only when the start is a match


def mean_over_shots(features: Tensor, visible: Tensor) -> Tensor:
    """Mean of (B, S, K, C) over the shots in which a keypoint is `visible` (B, S, K) -> (B, K, C)."""
    weight = visible[..., None].to(features.dtype)
    return (features * weight).sum(1) / weight.sum(1).clamp(min=MIN_SHOTS_VISIBLE)


class Network(nn.Module):
    """Locate the keypoints of any category in a query image, given annotated support images."""

    turn_cost: Tensor
    order: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = create_backbone(config.backbone)
        channels = feature_channels(self.backbone)
        self.pyramid = Pyramid(channels, config.dim)
        self.position_code = PositionCode(config.dim)
        self.support_miners = nn.ModuleList(Miner(config) for _ in range(config.num_layers))
        self.query_miners = nn.ModuleList(Miner(config) for _ in range(config.num_layers))
        self.point_heads = nn.ModuleList(_point_head(config.dim) for _ in range(config.num_layers))
        self.matches = config.start == "match"
        if self.matches:
            self.descriptor = Descriptor(channels, config.dim)
            self.match = Match()
            self.cues = nn.ModuleList(Cues(config.dim) for _ in range(config.num_layers))
        self.confidence = Confidence(4 if self.matches else 2)
        costs = [0.0] + [TURN_COST] * (config.orientations - 1)
        self.register_buffer("turn_cost", torch.tensor(costs), persistent=False)
        self.register_buffer("order", order_code(config.max_keypoints, config.dim), persistent=False)

    def forward(
        self, query: Tensor, support: Tensor, keypoints: Tensor, visible: Tensor, reference_index: Tensor
    ) -> Tensor:
        """Locate the keypoints, layer by layer.

        Args:
            query: (B, 3, H, W) normalised float32.
            support: (B, S, 3, H, W), likewise.
            keypoints: (B, S, K, 2), x and y in [0, 1] of the support crops, padded to K.
            visible: (B, S, K) bool.
            reference_index: (B, S, K, M) int64, breadth-first neighbours.

        Returns:
            (L, B, K, 2) in [0, 1] of the query crop; the last layer is the answer.
        """
        state = self.support_state(support, keypoints, visible, reference_index)
        return self.locate(query, state).points

    def support_state(
        self, support: Tensor, keypoints: Tensor, visible: Tensor, reference_index: Tensor
    ) -> SupportState:
        """Compute once what every query of this support needs; arguments as in `forward`."""
        views = self.config.orientations
        if views > 1:
            support = turn_images(support, views).flatten(0, 1)
            keypoints = turn_keypoints(keypoints, views, self.config.image_size).flatten(0, 1)
            visible = repeat_views(visible, views).flatten(0, 1)
            reference_index = repeat_views(reference_index, views).flatten(0, 1)
        encoded = self.encode(self.backbone(support.flatten(0, 1)))
        return self.remember(encoded, keypoints, visible, reference_index)

    def locate(self, query: Tensor, state: SupportState) -> Located:
        """Find the keypoints of `state` in query images (B, 3, H, W)."""
        encoded = self.encode(self.backbone(query))
        if self.config.orientations > 1:
            state = self._choose_view(encoded, state)
        return self.refine(encoded, state)

    def encode(self, features: Sequence[Tensor]) -> Encoded:
        """Backbone maps (B, C_l, H_l, W_l) of strides 8, 16, 32 -> all that the rest reads of an image."""
        return Encoded(tokens_of(self.pyramid(features)), self.descriptor(features) if self.matches else None)

    def remember(
        self, support: Encoded, keypoints: Tensor, visible: Tensor, reference_index: Tensor
    ) -> SupportState:
        """As `support_state`, from the encoded support images (B*S, ...)."""
        batch, shots = keypoints.shape[:2]
        tokens = support.tokens.view(batch, shots, *support.tokens.shape[1:])
        embedding = mean_over_shots(self._reference_feature(tokens, keypoints), visible)  # F_q^0
        mined = self._mine_support(0, embedding, tokens, keypoints, visible, reference_index)
        template = None
        if support.descriptors is not None:
            template = make_template(support.descriptors, keypoints, visible, reference_index)
        return SupportState(tokens, keypoints, visible, reference_index, mined, template)

    def refine(self, query: Encoded, state: SupportState) -> Located:
        """Points of every layer from an encoded query (B, ...): FMMP, Eq. (3) to (5)."""
        points = torch.full_like(state.keypoints[:, 0], 0.5)
        logits = torch.zeros_like(points)
        found = None
        if state.template is not None:
            found = self.match(state.template, query.descriptors)
            points = found.points.detach()
            logits = torch.logit(points, eps=1e-4)
        index = state.reference_index[:, -1]
        mined, trail = state.mined, [points]
        for layer, (miner, head) in enumerate(zip(self.query_miners, self.point_heads, strict=True)):
            if found is not None:
                mined = mined + self.cues[layer](state.template, found, points)
            embedding = miner(mined, query.tokens, points, self._position(points), index)
            logits = logits + head(embedding)
            trail.append(logits.sigmoid())
            points, logits = trail[-1].detach(), logits.detach()
            if layer + 1 < self.config.num_layers:
                mined = self._mine_support(
                    layer + 1, embedding, state.tokens, state.keypoints, state.visible, state.reference_index
                )
        answers = torch.stack(trail)
        evidence = steps(answers)
        if found is not None:
            evidence = torch.cat((evidence, look_up_evidence(found, points)), dim=-1)
        return Located(answers[1:], self.confidence(evidence), evidence, found)

    def _choose_view(self, query: Encoded, state: SupportState) -> SupportState:
        """Keep of every support (B*V, ...) the orientation that fits its query best -> (B, ...)."""
        assert query.descriptors is not None
        assert state.template is not None
        views = self.config.orientations
        descriptors = query.descriptors.repeat_interleave(views, dim=0)
        fit = self.match.fit(state.template, descriptors).view(-1, views)
        best = (fit - self.turn_cost).argmax(-1)  # (B,)
        chosen = best + views * torch.arange(len(best), device=best.device)
        return SupportState(
            tokens=state.tokens[chosen],
            keypoints=state.keypoints[chosen],
            visible=state.visible[chosen],
            reference_index=state.reference_index[chosen],
            mined=state.mined[chosen],
            template=Template(*(tensor[chosen] for tensor in state.template)),
        )

    def _position(self, points: Tensor) -> Tensor:
        return self.position_code(points) + self.order

    def _reference_feature(self, tokens: Tensor, keypoints: Tensor) -> Tensor:
        """Mean over levels of the samples at each keypoint: (B, S, N, C), (B, S, K, 2) -> (B, S, K, C)."""
        first = self.support_miners[0]
        assert isinstance(first, Miner)
        shapes = first.deformable_attention.spatial_shapes
        starts = first.deformable_attention.level_start_index
        levels = len(self.config.spatial_shapes)
        locations = keypoints.flatten(0, 1)[:, :, None, None, None].expand(-1, -1, 1, levels, 1, 2)
        weights = torch.full_like(locations[..., 0], 1 / levels)
        sampled = ms_deform_attn(tokens.flatten(0, 1)[:, :, None], shapes, starts, locations, weights)
        return sampled.view(*keypoints.shape[:3], -1)

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
            *(
                tensor.flatten(0, 1)
                for tensor in (tokens, keypoints, self._position(keypoints), reference_index)
            ),
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
