# SPDX-License-Identifier: Apache-2.0
"""ESCAPE: a prototype of each keypoint, of its supports and of super-keypoints, looked up in the query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fmmp_runtime.pose import InputConfig
from fmmp_train.model.backbones.last_map import LastMap
from fmmp_train.model.backbones.upsample import Upsample
from fmmp_train.model.confidence import Confidence
from fmmp_train.model.escape.matcher import Matcher
from fmmp_train.model.escape.transport import transport
from fmmp_train.model.estimator import Estimator, Located
from fmmp_train.model.heatmap import CELLS, Heatmaps, decode_heatmaps, draw_heatmaps, pool_features
from fmmp_train.model.limits import Settings

POOL = 15  # cells of the mean that is taken before an answer is decoded


@dataclass(frozen=True, kw_only=True)
class EscapeConfig(Settings):
    """As released by default; saved in the checkpoint."""

    backbone: str = "resnet50"  # timm's name; the matcher has one of its own weights
    dim: int = 256  # channels of a feature
    num_heads: int = 8
    num_layers: int = 6  # of the matcher
    feed_forward: int = 2048  # channels inside
    super_keypoints: int = (
        400  # N, a result of clustering the training set; 0: the baseline, without a matcher
    )
    evidence_share: float = 0.5  # of the supports in a prototype, the rest being of the super-keypoints
    sigma: int = 2  # of the support's heat maps, cells of 64
    max_keypoints: int = 68  # K; padding takes part in the matcher
    image_size: int = 256  # pixels, both sides of a crop

    @property
    def inputs(self) -> InputConfig:
        """Keypoints filled up with hidden ones; no links."""
        return InputConfig(
            image_size=self.image_size,
            max_keypoints=self.max_keypoints,
            padding="zero",
            structure=None,
            fixed_keypoints=True,
        )


class State(NamedTuple):
    """All of the support that a query needs."""

    prototypes: Tensor  # (B, K, C); 0 for a keypoint that every shot hides


class Features(nn.Sequential):
    """A backbone and transposed convolutions: images (B, 3, S, S) -> (B, C, 64, 64), not negative."""

    def __init__(self, config: EscapeConfig) -> None:
        backbone = LastMap(config.backbone, config.image_size)
        super().__init__(backbone, Upsample(backbone.channels, config.dim))


class Escape(Estimator):
    """The network; without super-keypoints, its baseline."""

    score_is = "height of a keypoint's heat map"
    answer = "cells"

    def __init__(self, config: EscapeConfig) -> None:
        super().__init__()
        self.config: EscapeConfig = config
        self.features = Features(config)
        if config.super_keypoints:
            shape = (config.super_keypoints, config.dim)
            self.super_keypoints = nn.Parameter(torch.zeros(shape), requires_grad=False)
            self.omega = nn.Parameter(torch.randn(shape))
            self.bin_score = nn.Parameter(torch.ones(()))
            self.matcher_features = Features(config)
            self.matcher = Matcher(
                config.dim, config.num_heads, config.feed_forward, config.num_layers, CELLS**2
            )
        self.confidence = Confidence(1)

    def support_state(self, support: Tensor, keypoints: Tensor, visible: Tensor) -> State:
        """Encode the supports, once for all queries: shapes as `Estimator` says."""
        heatmaps = draw_heatmaps(
            keypoints, visible, sigma=self.config.sigma, image_size=self.config.image_size
        )
        evidence = self.evidence(support, heatmaps)
        if not self.config.super_keypoints:
            return State(evidence)
        shown = heatmaps.shown.any(1)[..., None].to(evidence.dtype)
        prior = self.matching(support, heatmaps)[:, :-1] @ self.super_keypoints
        share = self.config.evidence_share
        # A hidden keypoint's row of the matching is no share; 0 of infinity would be NaN.
        return State(share * evidence + (1 - share) * torch.where(shown > 0, prior, 0.0))

    def evidence(self, support: Tensor, heatmaps: Heatmaps) -> Tensor:
        """Features of the keypoints, a mean over the shots that show each: (B, K, C)."""
        shots = heatmaps.shown.shape[:2]
        pooled = pool_features(self.features(support.flatten(0, 1)), _flat(heatmaps))
        return over_shots(pooled.view(*shots, *pooled.shape[1:]), heatmaps.shown)

    def matching(self, support: Tensor, heatmaps: Heatmaps) -> Tensor:
        """Shares of the super-keypoints in each keypoint and in the bin, (B, K + 1, N)."""
        shots = heatmaps.shown.shape[:2]
        scores = self.matcher.scores(*self.matcher(*self.embed(support, heatmaps)))
        scores = scores.view(*shots, *scores.shape[1:])
        any_shot = heatmaps.shown.any(1)
        return transport(over_shots(scores, heatmaps.shown), self.bin_score, any_shot)

    def embed(self, support: Tensor, heatmaps: Heatmaps) -> tuple[Tensor, Tensor]:
        """What the matcher's layers read, of all shots (B * S, ...)."""
        flat = _flat(heatmaps)
        pooled = pool_features(self.matcher_features(support.flatten(0, 1)), flat)
        cell = flat.rows.argmax(-1) * CELLS + flat.columns.argmax(-1)
        return self.matcher.embed(pooled, cell, flat.shown, self.omega)

    def locate(self, query: Tensor, state: State) -> Located:
        """Keypoints of each query, (1, B, K, 2): a single layer."""
        points, peak = decode_heatmaps(pool_maps(self.heatmaps(query, state)))
        evidence = -peak[..., None]  # a high peak is a good sign, and evidence counts against
        return Located(points[None], self.confidence(evidence), evidence)

    def heatmaps(self, query: Tensor, state: State) -> Tensor:
        """Likeness (B, K, 64, 64) of prototypes and cells."""
        features = self.features(query)
        maps = state.prototypes @ features.flatten(2)
        return maps.view(*maps.shape[:2], *features.shape[-2:])


def pool_maps(maps: Tensor) -> Tensor:
    """Mean over `POOL` x `POOL` cells, of those inside the map."""
    return F.avg_pool2d(maps, POOL, stride=1, padding=POOL // 2, count_include_pad=False)


def over_shots(values: Tensor, shown: Tensor) -> Tensor:
    """Mean of (B, S, K, C) over the shots in which `shown` (B, S, K); 0 where there is none."""
    weight = shown[..., None].to(values.dtype)
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)


def _flat(heatmaps: Heatmaps) -> Heatmaps:
    return Heatmaps(*(each.flatten(0, 1) for each in heatmaps))
