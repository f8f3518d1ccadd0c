# SPDX-License-Identifier: Apache-2.0
"""SCAPE, from images to keypoints: one answer, regressed, neither clamped nor refined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_runtime.pose import InputConfig
from fmmp_train.model.attention import hide
from fmmp_train.model.backbones.last_map import LastMap
from fmmp_train.model.confidence import Confidence
from fmmp_train.model.encoding import grid_code, order_code
from fmmp_train.model.estimator import Estimator, Located
from fmmp_train.model.heatmap import Heatmaps, draw_heatmaps, pool_features
from fmmp_train.model.limits import Settings
from fmmp_train.model.scape.layers import Block, Gatherer


@dataclass(frozen=True, kw_only=True)
class ScapeConfig(Settings):
    """As released by default; saved in the checkpoint."""

    backbone: str = "resnet50"  # timm's name
    dim: int = 256  # channels of a token
    num_heads: int = 8
    num_gatherers: int = 2
    num_layers: int = 4
    num_experts: int = 4
    sigma: int = 2  # of the support's heat maps, cells of 64
    max_keypoints: int = 100  # K; the shape of weights depends on it
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
            fixed_keypoints=True,
        )


class State(NamedTuple):
    """All of the support that a query needs."""

    tokens: Tensor  # (B, K, C), with their order
    visible: Tensor  # (B, K) bool: shown by every shot
    cells: Tensor  # (B, N, C) of the first shot


class Scape(Estimator):
    """The network of one backbone for supports and query."""

    order: Tensor
    gatherers: Sequence[Gatherer]
    layers: Sequence[Block]

    def __init__(self, config: ScapeConfig) -> None:
        super().__init__()
        self.config: ScapeConfig = config
        dim, heads, count = config.dim, config.num_heads, config.max_keypoints
        side = config.image_size // 32
        self.backbone = LastMap(config.backbone, config.image_size)
        self.projection = nn.Conv2d(self.backbone.channels, dim, 1)
        self.cell_code = nn.Parameter(grid_code(side, side, dim), requires_grad=False)  # released in the file
        gatherers = (Gatherer(dim, heads) for _ in range(config.num_gatherers))
        self.add_module("gatherers", nn.ModuleList(gatherers))
        layers = (Block(dim, heads, count, config.num_experts) for _ in range(config.num_layers))
        self.add_module("layers", nn.ModuleList(layers))
        self.point_head = nn.Sequential(nn.Linear(dim, dim // 2), nn.ReLU(), nn.Linear(dim // 2, 2))
        self.confidence = Confidence(1)
        self.register_buffer("order", order_code(count, dim), persistent=False)

    def support_state(self, support: Tensor, keypoints: Tensor, visible: Tensor) -> State:
        """Encode the supports, once for all queries: shapes as `Estimator` says."""
        shots = keypoints.shape[:2]
        heatmaps = draw_heatmaps(
            keypoints, visible, sigma=self.config.sigma, image_size=self.config.image_size
        )
        projected = self.projection(self.backbone(support.flatten(0, 1)))
        pooled = pool_features(projected, Heatmaps(*(each.flatten(0, 1) for each in heatmaps)))
        shown = heatmaps.shown.all(1)
        mean = pooled.view(*shots, *pooled.shape[1:]).mean(1)
        cells = projected.flatten(2).mT
        first = cells.view(*shots, *cells.shape[1:])[:, 0]
        return State(mean * shown[..., None].to(mean.dtype) + self.order, shown, first)

    def locate(self, query: Tensor, state: State) -> Located:
        """Keypoints of each query, (1, B, K, 2): a single layer, whose points may lie outside [0, 1]."""
        cells = self.read(query)
        *_, last = self.refine(self.gather(cells, state), cells, state)
        points = self.point_head(last[:, : state.tokens.shape[1]])
        evidence = (
            (points - points.clamp(0, 1)).abs().sum(-1, keepdim=True)
        )  # how far outside: all that is said
        return Located(points[None], self.confidence(evidence), evidence)

    def read(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) -> cells (B, N, C)."""
        cells: Tensor = self.projection(self.backbone(images)).flatten(2).mT
        return cells

    def gather(self, cells: Tensor, state: State) -> Tensor:
        """Keypoint tokens (B, K, C) that have read supports and query (B, N, C)."""
        read = torch.cat((state.tokens, state.cells, cells), dim=1)
        hidden = self._hide(state.visible, read.shape[1])
        x = state.tokens
        for layer in self.gatherers:
            x = layer(x, read, hidden)
        return x

    def refine(self, tokens: Tensor, cells: Tensor, state: State) -> list[Tensor]:
        """The sequence (B, K + N, C) after every block."""
        x = torch.cat((tokens, cells + self.cell_code), dim=1)
        hidden = self._hide(state.visible, x.shape[1])
        states = []
        for layer in self.layers:
            x = layer(x, hidden)
            states.append(x)
        return states

    @staticmethod
    def _hide(visible: Tensor, total: int) -> Tensor:
        """For keys of which the first are keypoints (B, K) and the rest cells: (B, 1, 1, total)."""
        return hide(nn.functional.pad(visible, (0, total - visible.shape[1]), value=True))
