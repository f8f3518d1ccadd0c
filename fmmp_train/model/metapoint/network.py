# SPDX-License-Identifier: Apache-2.0
"""MetaPoint: meta-points that fit any object, a support that says which are meant, and their refinement.

As released, a dropout after self-attention ignores evaluation mode, so that its answers are random: an
assignment may change from run to run. Here it is off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_runtime.pose import InputConfig
from fmmp_train.model.backbones.maps import create_backbone, feature_channels
from fmmp_train.model.backbones.pyramid import tokens_of
from fmmp_train.model.confidence import Confidence, steps
from fmmp_train.model.encoding import grid_code, order_code
from fmmp_train.model.estimator import Estimator, Located
from fmmp_train.model.heatmap import Heatmaps, draw_heatmaps, pool_features
from fmmp_train.model.joint_encoder import JointEncoder
from fmmp_train.model.limits import Settings
from fmmp_train.model.metapoint.assignment import assign, assignment_cost
from fmmp_train.model.metapoint.decoder import Decoder, Moved, spatial_shapes

NOWHERE = 0.5  # where a keypoint is said to be that some support hides


@dataclass(frozen=True, kw_only=True)
class MetaPointConfig(Settings):
    """As released by default; saved in the checkpoint."""

    backbone: str = "resnet50"  # timm's name
    dim: int = 256  # channels of a token
    num_heads: int = 4  # of the decoders' attention
    num_points: int = 4  # samples per head and level
    num_layers: int = 3  # of each decoder and of the joint encoder
    encoder_heads: int = 8
    feed_forward: int = 2048  # channels inside the joint encoder
    num_meta_points: int = 100  # a square number, as many as keypoints at least
    sigma: int = 2  # of the support's heat maps, cells of 64
    max_keypoints: int = 70  # K; enters the code of the order and the assignment
    image_size: int = 256  # pixels, both sides of a crop

    def __post_init__(self) -> None:
        """Refuse what can't be assigned."""
        super().__post_init__()
        if self.max_keypoints > self.num_meta_points:
            raise ValueError(
                f"max_keypoints ({self.max_keypoints}) can be {self.num_meta_points} at most: each takes one"
            )

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

    features: Tensor  # (B, K, C), mean over the shots that show a keypoint
    visible: Tensor  # (B, K) bool: shown by every shot
    assignment: Tensor  # (B, K) int64, the meta-point of each slot
    meta: Tensor  # (B, K, C), its embedding in the supports, mean over the shots


class MetaPoints(NamedTuple):
    """The meta-points of images."""

    moved: Moved
    probability: Tensor  # (B, Q) of being visible


class Refined(NamedTuple):
    """An answer with all that led to it."""

    start: Tensor  # (B, K, 2)
    enhanced: Tensor  # (B, K, C)
    fused: Tensor  # (B, K, C)
    moved: Moved
    meta: MetaPoints


class MetaPoint(Estimator):
    """The network of one backbone for supports and query."""

    host_step = "the assignment of keypoints to meta-points"
    cell_code: Tensor
    order: Tensor
    grid: Tensor

    def __init__(self, config: MetaPointConfig) -> None:
        super().__init__()
        self.config: MetaPointConfig = config
        dim, layers, count = config.dim, config.num_layers, config.num_meta_points
        shapes = spatial_shapes(config.image_size)
        decoder = (dim, config.num_heads, config.num_points, layers, shapes)
        self.backbone = create_backbone(config.backbone, config.image_size)
        self.levels = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, dim, 1), nn.GroupNorm(32, dim))
            for channels in reversed(feature_channels(self.backbone))
        )
        self.meta_points = nn.Parameter(torch.randn(count, dim))
        self.meta_decoder = Decoder(count, *decoder)
        self.visible_head = nn.Sequential(nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 2))
        self.support_projection = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU()
        )
        self.cell_projection = nn.Conv2d(dim, dim, 1)
        self.encoder = JointEncoder(dim, config.encoder_heads, config.feed_forward, layers)
        self.fusion = nn.Sequential(nn.Linear(3 * dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU())
        self.refine_decoder = Decoder(config.max_keypoints, *decoder)
        self.confidence = Confidence(2)
        side = torch.linspace(0, 1, round(count**0.5))
        rows, columns = torch.meshgrid(side, side, indexing="ij")
        self.register_buffer("grid", torch.stack((columns, rows), dim=-1).flatten(0, 1), persistent=False)
        self.register_buffer("cell_code", grid_code(*shapes[0], dim), persistent=False)
        self.register_buffer("order", order_code(config.max_keypoints, dim), persistent=False)

    def maps(self, images: Tensor) -> list[Tensor]:
        """Images (N, 3, S, S) -> maps (N, C, H_l, W_l), coarse to fine."""
        features = list(self.backbone(images))
        return [level(each) for level, each in zip(self.levels, reversed(features), strict=True)]

    def find_meta_points(self, maps: list[Tensor]) -> MetaPoints:
        """The meta-points of any image: no annotation is needed."""
        batch = len(maps[0])
        x = self.meta_points.expand(batch, -1, -1)
        valid = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        moved = self.meta_decoder(x, self.grid.expand(batch, -1, -1), valid, tokens_of(maps))
        probability = self.visible_head(moved.states[-1]).softmax(-1)[..., 1].clamp(0.01, 0.99)
        return MetaPoints(moved, probability)

    def support_state(self, support: Tensor, keypoints: Tensor, visible: Tensor) -> State:
        """Encode the supports, once for all queries; the assignment is made on the host."""
        maps = self.maps(support.flatten(0, 1))
        features, shown = self.describe(maps[0], keypoints, visible)
        meta = self.find_meta_points(maps)
        assignment = assign(self.cost(meta, keypoints, shown))
        return self.remember(features, shown, meta, assignment)

    def describe(self, coarse: Tensor, keypoints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, S, K, C) of the keypoints in each shot, 0 where it hides one; and (B, S, K), shown."""
        heatmaps = draw_heatmaps(
            keypoints, visible, sigma=self.config.sigma, image_size=self.config.image_size
        )
        pooled = pool_features(coarse, Heatmaps(*(each.flatten(0, 1) for each in heatmaps)))
        projected = self.support_projection(pooled).view(*keypoints.shape[:3], -1)
        return projected * heatmaps.shown[..., None].to(projected.dtype), heatmaps.shown

    def cost(self, meta: MetaPoints, keypoints: Tensor, shown: Tensor) -> Tensor:
        """(B, K, Q): see `assignment_cost`."""
        shots = shown.shape[:2]
        points = meta.moved.points.movedim(0, 1)  # (B * S, L, Q, 2)
        points, probability = (each.reshape(*shots, *each.shape[1:]) for each in (points, meta.probability))
        return assignment_cost(points, probability, keypoints, shown)

    def remember(self, features: Tensor, shown: Tensor, meta: MetaPoints, assignment: Tensor) -> State:
        """The state, once meta-points are assigned: (B, S, K, C), (B, S, K), of B * S images, (B, K)."""
        states = meta.moved.states[-1]
        mean = states.view(*shown.shape[:2], *states.shape[1:]).mean(1)  # (B, Q, C)
        seen = shown.sum(1).clamp(min=1)[..., None]
        return State(features.sum(1) / seen, shown.all(1), assignment, pick(mean, assignment))

    def locate(self, query: Tensor, state: State) -> Located:
        """Keypoints of each query, (L, B, K, 2); one that some support hides is in the middle."""
        refined = self.refine(self.maps(query), state)
        trail = torch.cat((refined.start[None], refined.moved.points))
        trail = torch.where(state.visible[..., None], trail, NOWHERE)
        evidence = steps(trail)
        return Located(trail[1:], self.confidence(evidence), evidence)

    def refine(self, maps: list[Tensor], state: State) -> Refined:
        """Find the keypoints of `state` in the query's maps; of the others the numbers mean nothing."""
        meta = self.find_meta_points(maps)
        kept = state.visible[..., None].to(state.features.dtype)
        start = pick(meta.moved.points[-1], state.assignment) * kept
        cells = self.cell_projection(maps[0]).flatten(2).mT
        _, enhanced = self.encoder(cells, state.features, state.visible, self.cell_code, self.order)
        own = pick(meta.moved.states[-1], state.assignment)
        fused = self.fusion(torch.cat((enhanced, own * kept, state.meta * kept), dim=-1)) * kept
        moved = self.refine_decoder(fused, start, state.visible, tokens_of(maps))
        return Refined(start, enhanced, fused, moved, meta)


def pick(values: Tensor, assignment: Tensor) -> Tensor:
    """Of values (B, Q, C) those that each slot (B, K) was given: (B, K, C)."""
    return values.gather(1, assignment[..., None].expand(-1, -1, values.shape[-1]))
