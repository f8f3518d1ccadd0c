# SPDX-License-Identifier: Apache-2.0
"""FMMP: recurrent mining of support and query features, FMMP section 3.2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fmmp_train.model.attention import hide
from fmmp_train.model.backbones.maps import create_backbone, feature_channels
from fmmp_train.model.backbones.pyramid import Pyramid, tokens_of
from fmmp_train.model.confidence import Confidence, steps
from fmmp_train.model.deform_attn import level_tensors, ms_deform_attn
from fmmp_train.model.encoding import PositionCode, order_code
from fmmp_train.model.estimator import Estimator, Located, take
from fmmp_train.model.fmmp.config import ModelConfig
from fmmp_train.model.fmmp.match import Cues, Descriptor, Found, Match, look_up_evidence, make_template
from fmmp_train.model.fmmp.miner import Miner
from fmmp_train.model.fmmp.orientation import TURN_COST, repeat_views, turn_images, turn_keypoints
from fmmp_train.model.fmmp.presence import (
    CENTER_WEIGHTS,
    MATCH_WEIGHTS,
    Seen,
    center_evidence,
    match_evidence,
)
from fmmp_train.model.fmmp.state import Encoded, Refined, Shots, SupportState
from fmmp_train.model.fmmp.structure import neighbour_points, rewire
from fmmp_train.model.points import point_head

CENTER = 0.5  # P^0 of the paper
MIN_SHOTS_VISIBLE = 0.1  # denominator of a mean over shots in which a keypoint is hidden everywhere


class Network(Estimator):
    """Locate the keypoints of any category in a query image, given annotated support images."""

    config: ModelConfig
    turn_cost: Tensor
    order: Tensor
    spatial_shapes: Tensor
    level_start_index: Tensor
    support_miners: Sequence[Miner]
    query_miners: Sequence[Miner]

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = create_backbone(config.backbone, config.image_size)
        channels = feature_channels(self.backbone)
        self.pyramid = Pyramid(channels, config.dim)
        self.position_code = PositionCode(config.dim)
        counts = {
            "support_miners": 0 if config.support == "none" else config.num_layers,
            "query_miners": config.num_layers,
        }
        for name, count in counts.items():
            self.add_module(name, nn.ModuleList(Miner(config) for _ in range(count)))
        self.point_heads = nn.ModuleList(point_head(config.dim) for _ in range(config.num_layers))
        self.matches = config.start == "match"
        if self.matches:
            self.descriptor = Descriptor(channels, config.dim)
            self.match = Match()
            self.cues = nn.ModuleList(Cues(config.dim) for _ in range(config.num_layers))
        count = 4 if self.matches else 2
        presence = MATCH_WEIGHTS if self.matches else CENTER_WEIGHTS
        weights = [-1 / count] * count + [0.0] * len(presence)
        self.confidence = Confidence(len(weights), weights=weights)
        self.presence = Confidence(len(presence), weights=presence, bias=0.0)
        costs = [0.0] + [TURN_COST] * (config.orientations - 1)
        self.register_buffer("turn_cost", torch.tensor(costs), persistent=False)
        shapes, starts = level_tensors(config.spatial_shapes)
        self.register_buffer("spatial_shapes", shapes, persistent=False)
        self.register_buffer("level_start_index", starts, persistent=False)
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
        fit = None
        if encoded.descriptors is not None:
            state, fit = self._choose_view(encoded, state)
        return self.refine(encoded, state, fit).located

    def select(self, state: SupportState, rows: Tensor) -> SupportState:
        """The state of these supports, each with all of its views."""
        views = self.config.orientations
        every = rows[:, None] * views + torch.arange(views, device=rows.device)
        chosen: SupportState = take(state, every.flatten())
        return chosen

    def encode(self, features: Sequence[Tensor]) -> Encoded:
        """Backbone maps (B, C_l, H_l, W_l) of strides 8, 16, 32 -> all that the rest reads of an image."""
        return Encoded(tokens_of(self.pyramid(features)), self.descriptor(features) if self.matches else None)

    def remember(
        self, support: Encoded, keypoints: Tensor, visible: Tensor, reference_index: Tensor
    ) -> SupportState:
        """The support state from encoded support images (B*S, ...); the annotation is as in `forward`."""
        batch = tuple(keypoints.shape[:2])  # B, S
        reference_index = rewire(reference_index, visible, self.config.links)
        weight = visible[..., None].to(support.tokens.dtype)  # (B, S, K, 1)
        around = neighbour_points(keypoints.flatten(0, 1), reference_index.flatten(0, 1))
        memory = [miner.structure.memory(support.tokens) for miner in self.support_miners]
        later = memory[1:2] if all(each is support.tokens for each in memory) else memory[1:]
        shots = Shots(
            memory=tuple(each.view(*batch, *each.shape[1:]) for each in later),
            position=self._position(keypoints),
            reference_points=around.view(*batch, *around.shape[1:]),
            hidden=hide(visible),
            share=weight / weight.sum(1, keepdim=True).clamp(min=MIN_SHOTS_VISIBLE),
        )
        feature = self._reference_feature(support.tokens, keypoints.flatten(0, 1))
        embedding = (feature.view(*batch, *feature.shape[1:]) * shots.share).sum(1)  # F_q^0
        mined = embedding  # F_s before the query's first layer
        for layer in range(self.config.support_layers_first):
            mined = self._mine_support(layer, mined, memory[layer], shots)
        first = template = seen = None
        if support.descriptors is None:
            weight = shots.share.sum(1)  # 1 where some shot shows a keypoint
            seen = Seen(weight[..., 0], embedding)
            center = self._position(torch.full_like(keypoints[:, 0], CENTER))
            first = self.query_miners[0].prepare(mined, center)
        else:
            template = make_template(support.descriptors, keypoints, visible, reference_index)
        return SupportState(
            reference_index=reference_index[:, -1],
            shots=shots if self.config.support == "recurrent" and self.config.num_layers > 1 else None,
            first=first,
            mined=None if first else mined,
            template=template,
            seen=seen,
        )

    def refine(self, query: Encoded, state: SupportState, fit: Tensor | None = None) -> Refined:
        """Points of every layer from an encoded query (B, ...): FMMP, Eq. (3) to (5).

        `fit` (B,) is that of the chosen view; only presence and scores depend on it.
        """
        found = None if state.template is None else self.match(state.template, query.descriptors)
        points, logits = self._start(found, state)
        mined, trail = state.mined, [points]
        for layer, (miner, head) in enumerate(zip(self.query_miners, self.point_heads, strict=True)):
            prepared = state.first if layer == 0 else None
            if prepared is None:
                if found is not None:
                    mined = mined + self.cues[layer](state.template, found, points)
                assert mined is not None
                prepared = miner.prepare(mined, self._position(points))
            around = neighbour_points(points, state.reference_index)
            embedding = miner(prepared, around, miner.structure.memory(query.tokens))
            logits = logits + head(embedding)
            trail.append(logits.sigmoid())
            points, logits = trail[-1].detach(), logits.detach()
            mined = embedding
            if state.shots is not None and layer + 1 < self.config.num_layers:
                memory = state.shots.of_layer(layer + 1).flatten(0, 1)
                mined = self._mine_support(layer + 1, embedding, memory, state.shots)
        answers = torch.stack(trail)
        evidence = steps(answers)
        if found is not None:
            evidence = torch.cat((evidence, look_up_evidence(found, points)), dim=-1)
        of_crop = self._presence_evidence(query, state, evidence, points, fit)
        evidence = torch.cat((evidence, of_crop[:, None].expand(-1, points.shape[1], -1)), dim=-1)
        score, presence = self.confidence(evidence), self.presence(of_crop)
        return Refined(Located(answers[1:], score, evidence, presence, of_crop), found)

    def _presence_evidence(
        self, query: Encoded, state: SupportState, evidence: Tensor, points: Tensor, fit: Tensor | None
    ) -> Tensor:
        """(B, E) from the evidence (B, K, ...) of the keypoints, and where they were found."""
        if state.template is None:
            assert state.seen is not None
            found = self._reference_feature(query.tokens, points)
            return center_evidence(state.seen, found, evidence[..., 0])
        fits = torch.zeros_like(evidence[:, 0, 0]) if fit is None else fit
        return match_evidence(fits, evidence[..., 3], state.template.present)

    def _start(self, found: Found | None, state: SupportState) -> tuple[Tensor, Tensor]:
        """P^0 (B, K, 2) and its logit: where the match is, or the centre."""
        if found is None:
            count = state.reference_index.shape[:2]  # B, K
            points = torch.full((*count, 2), CENTER, dtype=self.order.dtype, device=self.order.device)
            return points, torch.zeros_like(points)
        points = found.points.detach()
        return points, torch.logit(points, eps=1e-4)

    def _choose_view(self, query: Encoded, state: SupportState) -> tuple[SupportState, Tensor]:
        """Keep of every support (B*V, ...) the view that fits its query best -> (B, ...); its fit (B,)."""
        assert query.descriptors is not None
        assert state.template is not None
        views = self.config.orientations
        fit = self.match.fit(state.template, query.descriptors).view(-1, views) - self.turn_cost
        if views == 1:
            return state, fit[:, 0]
        best, which = fit.max(-1)  # (B,)
        chosen: SupportState = take(state, which + views * torch.arange(len(which), device=which.device))
        return chosen, best

    def _position(self, points: Tensor) -> Tensor:
        return self.position_code(points) + self.order

    def _reference_feature(self, tokens: Tensor, keypoints: Tensor) -> Tensor:
        """Mean over levels of the samples at each keypoint: (B, N, C), (B, K, 2) -> (B, K, C)."""
        levels = len(self.spatial_shapes)
        locations = keypoints[:, :, None, None, None].expand(-1, -1, 1, levels, 1, 2)
        weights = torch.full_like(locations[..., 0], 1 / levels)
        value = tokens[:, :, None]
        sampled = ms_deform_attn(value, self.spatial_shapes, self.level_start_index, locations, weights)
        return sampled[:, :, 0]

    def _mine_support(self, layer: int, embedding: Tensor, memory: Tensor, shots: Shots) -> Tensor:
        """Mine every shot with the keypoint features (B, K, C) and average: F_s (B, K, C), FMMP Eq. (3).

        `memory` is (B*S, N, ...), the layer's own.
        """
        count = shots.position.shape[1]
        miner = self.support_miners[layer]
        x = embedding[:, None].expand(-1, count, -1, -1).flatten(0, 1)
        position, around, hidden = (
            each.flatten(0, 1) for each in (shots.position, shots.reference_points, shots.hidden)
        )
        mined = miner(miner.prepare(x, position, hidden), around, memory)
        return (mined.unflatten(0, (-1, count)) * shots.share).sum(1)
