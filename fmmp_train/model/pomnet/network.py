# SPDX-License-Identifier: Apache-2.0
"""POMNet: a transformer over the query's cells and the support's keypoints, then a heat map a keypoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_runtime.pose import InputConfig
from fmmp_train.model.attention import Attention, hide
from fmmp_train.model.backbones.last_map import LastMap
from fmmp_train.model.backbones.upsample import Upsample
from fmmp_train.model.confidence import Confidence
from fmmp_train.model.encoding import grid_code
from fmmp_train.model.estimator import Estimator, Located
from fmmp_train.model.heatmap import Heatmaps, decode_heatmaps, draw_heatmaps, pool_features
from fmmp_train.model.joint_encoder import FeedForward
from fmmp_train.model.limits import Settings

STEPS = (8, 16, 32, 64, 100)  # numbers of slots that are worth a graph of their own


@dataclass(frozen=True, kw_only=True)
class PomNetConfig(Settings):
    """As released by default; saved in the checkpoint."""

    backbone: str = "resnet50"  # timm's name; one for supports and one for the query, of their own weights
    dim: int = 256  # channels of a token
    num_heads: int = 8
    num_layers: int = 3  # of the encoder, and of the decoder
    feed_forward: int = 2048  # channels inside
    sigma: int = 2  # of the support's heat maps, cells of 64
    max_keypoints: int = 100  # K; no weight depends on it, but 3 GFLOP a slot do
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


class State(NamedTuple):
    """All of the support that a query needs."""

    tokens: Tensor  # (B, K, C); a bias for a keypoint that some shot hides
    visible: Tensor  # (B, K) bool: shown by every shot


class EncoderLayer(nn.Module):
    """The cells of the query read each other."""

    def __init__(self, config: PomNetConfig) -> None:
        super().__init__()
        self.attention = Attention(config.dim, config.num_heads)
        self.norm1 = nn.LayerNorm(config.dim)
        self.feed_forward = FeedForward(config.dim, config.feed_forward)
        self.norm2 = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C); the code of the cells enters queries and keys alone."""
        x = self.norm1(x + self.attention(x + code, x + code, x))
        return self.norm2(x + self.feed_forward(x))


class DecoderLayer(nn.Module):
    """Keypoints read each other, without any position, and then the cells."""

    def __init__(self, config: PomNetConfig) -> None:
        super().__init__()
        self.self_attention = Attention(config.dim, config.num_heads)
        self.norm1 = nn.LayerNorm(config.dim)
        self.cross_attention = Attention(config.dim, config.num_heads)
        self.norm2 = nn.LayerNorm(config.dim)
        self.feed_forward = FeedForward(config.dim, config.feed_forward)
        self.norm3 = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, cells: Tensor, keys: Tensor, hidden: Tensor) -> Tensor:
        """(B, K, C) -> (B, K, C); `hidden` of `hide`."""
        x = self.norm1(x + self.self_attention(x, x, x, hidden))
        x = self.norm2(x + self.cross_attention(x, keys, cells))
        return self.norm3(x + self.feed_forward(x))


class PomNet(Estimator):
    """The network of two backbones; hidden keypoints have heat maps too, which mean nothing."""

    cell_code: Tensor
    encoder: Sequence[EncoderLayer]
    decoder: Sequence[DecoderLayer]
    score_is = "height of a keypoint's heat map"
    answer = "cells"

    def __init__(self, config: PomNetConfig) -> None:
        super().__init__()
        self.config: PomNetConfig = config
        dim = config.dim
        self.support_backbone = LastMap(config.backbone, config.image_size)
        self.query_backbone = LastMap(config.backbone, config.image_size)
        self.support_projection = nn.Linear(self.support_backbone.channels, dim)
        self.query_projection = nn.Conv2d(self.query_backbone.channels, dim, 1)
        layers = range(config.num_layers)
        self.add_module("encoder", nn.ModuleList(EncoderLayer(config) for _ in layers))
        self.add_module("decoder", nn.ModuleList(DecoderLayer(config) for _ in layers))
        self.norm = nn.LayerNorm(dim)
        self.relation = nn.Sequential(
            nn.Conv2d(2 * dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim), nn.ReLU()
        )
        self.upsample = Upsample(dim, dim)
        self.output = nn.Conv2d(dim, 1, 1)
        self.confidence = Confidence(1)
        side = config.image_size // 32
        self.register_buffer("cell_code", grid_code(side, side, dim), persistent=False)

    def inputs_for(self, count: int) -> InputConfig:
        """As few slots as a category needs: they don't influence each other, and each costs."""
        slots = min(step for step in (*STEPS, max(count, STEPS[-1])) if step >= count)
        return replace(self.config.inputs, max_keypoints=min(slots, max(count, self.config.max_keypoints)))

    def support_state(self, support: Tensor, keypoints: Tensor, visible: Tensor) -> State:
        """Encode the supports, once for all queries: shapes as `Estimator` says."""
        pooled, shown = self.pool(support, keypoints, visible)
        return State(self.support_projection(pooled), shown)

    def pool(self, support: Tensor, keypoints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the keypoints (B, K, C), 0 where a shot hides one; and (B, K), shown by all."""
        shots = keypoints.shape[:2]
        heatmaps = draw_heatmaps(
            keypoints, visible, sigma=self.config.sigma, image_size=self.config.image_size
        )
        flat = Heatmaps(*(each.flatten(0, 1) for each in heatmaps))
        pooled = pool_features(self.support_backbone(support.flatten(0, 1)), flat)
        shown = heatmaps.shown.all(1)
        mean = pooled.view(*shots, *pooled.shape[1:]).mean(1)
        return mean * shown[..., None].to(mean.dtype), shown

    def locate(self, query: Tensor, state: State) -> Located:
        """Keypoints of each query, (1, B, K, 2): a single layer."""
        points, peak = decode_heatmaps(self.heatmaps(query, state))
        evidence = -peak[..., None]  # a high peak is a good sign, and evidence counts against
        return Located(points[None], self.confidence(evidence), evidence)

    def heatmaps(self, query: Tensor, state: State) -> Tensor:
        """Answers (B, K, 64, 64) before they are decoded."""
        cells, size = self.read_query(query)
        *_, tokens = self.refine_tokens(cells, state)
        return self.relate(cells, tokens, size)

    def read_query(self, query: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Cells (B, N, C) after the encoder, and the map's height and width."""
        features = self.query_projection(self.query_backbone(query))
        cells = features.flatten(2).mT
        for layer in self.encoder:
            cells = layer(cells, self.cell_code)
        return cells, (features.shape[-2], features.shape[-1])

    def refine_tokens(self, cells: Tensor, state: State) -> list[Tensor]:
        """Keypoint tokens (B, K, C) after every layer, normed; the next layer reads them un-normed."""
        x, hidden, refined = state.tokens, hide(state.visible), []
        for layer in self.decoder:
            x = layer(x, cells, cells + self.cell_code, hidden)
            refined.append(self.norm(x))
        return refined

    def relate(self, cells: Tensor, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Cells (B, N, C) and tokens (B, K, C) -> heat maps (B, K, 64, 64), each slot for itself."""
        related = self.relation_of(cells, tokens, size)
        maps = self.output(self.upsample(related))
        return maps.view(*tokens.shape[:2], *maps.shape[-2:])

    def relation_of(self, cells: Tensor, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """(B * K, C, H, W): the map beside a token, convolved."""
        batch, count, dim = tokens.shape
        maps = cells.mT.view(batch, 1, dim, *size).expand(-1, count, -1, -1, -1)
        repeated = tokens[..., None, None].expand(-1, -1, -1, *size)
        related: Tensor = self.relation(torch.cat((maps, repeated), dim=2).flatten(0, 1))
        return related
