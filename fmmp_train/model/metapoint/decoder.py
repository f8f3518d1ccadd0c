# SPDX-License-Identifier: Apache-2.0
"""MetaPoint's decoder, of meta-points and of keypoints: read the image around the points, and move them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_train.model.attention import Attention
from fmmp_train.model.deform_attn import ms_deform_attn
from fmmp_train.model.encoding import order_code, sine_code
from fmmp_train.model.fmmp.structure import DeformableAttention
from fmmp_train.model.joint_encoder import FeedForward
from fmmp_train.model.points import logit, point_head

Shapes = tuple[tuple[int, int], ...]  # (H, W) of the levels, coarse to fine


class Moved(NamedTuple):
    """What a decoder made of its points."""

    points: Tensor  # (L, B, K, 2) in [0, 1], after each layer
    states: Tensor  # (L, B, K, C), likewise


class Layer(nn.Module):
    """Points talk, take up what the image shows at them, and read around them."""

    def __init__(self, dim: int, num_heads: int, num_points: int, shapes: Shapes) -> None:
        super().__init__()
        self.self_attention = Attention(dim, num_heads)
        self.self_norm = nn.LayerNorm(dim)
        self.deformable = DeformableAttention(dim, num_heads, num_points, shapes)
        self.norm1 = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.point_head = point_head(dim)

    def forward(self, x: Tensor, position: Tensor, points: Tensor, valid: Tensor, tokens: Tensor) -> Tensor:
        """(B, K, C) -> (B, K, C), 0 where not `valid` (B, K, 1); but a slot that isn't is read by others."""
        asking = x + position
        x = self.self_norm(x + self.self_attention(asking, asking, x)) * valid
        x = x + valid * self._sample(points, tokens)
        around = points[:, :, None].expand(-1, -1, self.deformable.grid[0], -1)
        x = self.norm1(x + self.deformable(self.deformable.plan(x + position), around, tokens))
        return self.norm2(x + self.feed_forward(x))

    def _sample(self, points: Tensor, tokens: Tensor) -> Tensor:
        """Mean over the levels of the tokens at `points`: (B, K, C)."""
        levels = self.deformable.grid[1]
        locations = points[:, :, None, None, None].expand(-1, -1, 1, levels, 1, 2)
        weights = torch.full_like(locations[..., 0], 1 / levels)
        shapes, starts = self.deformable.spatial_shapes, self.deformable.level_start_index
        return ms_deform_attn(tokens[:, :, None], shapes, starts, locations, weights)[:, :, 0]


class Decoder(nn.Module):
    """Layers that move points by steps in logits."""

    order: Tensor
    layers: Sequence[Layer]

    def __init__(
        self, count: int, dim: int, num_heads: int, num_points: int, num_layers: int, shapes: Shapes
    ) -> None:
        super().__init__()
        layers = (Layer(dim, num_heads, num_points, shapes) for _ in range(num_layers))
        self.add_module("layers", nn.ModuleList(layers))
        self.register_buffer("order", order_code(count, dim), persistent=False)

    def forward(self, x: Tensor, points: Tensor, valid: Tensor, tokens: Tensor) -> Moved:
        """Move `points` (B, K, 2) of `x` (B, K, C) in an image of `tokens` (B, N, C).

        `valid` (B, K) bool says which slots are in use; of the others the state before the last product is
        kept apart from what the next layer reads, which is 0.
        """
        kept = valid[..., None].to(x.dtype)
        trail, states = [], []
        for layer in self.layers:
            position = sine_code(points, x.shape[-1]).to(x.dtype) + self.order
            state = layer(x, position, points, kept, tokens)
            x = state * kept
            points = (logit(points) + layer.point_head(x)).sigmoid().detach()
            trail.append(points)
            states.append(state)
        return Moved(torch.stack(trail), torch.stack(states))


def spatial_shapes(image_size: int) -> Shapes:
    """(H, W) of the levels, coarse to fine: strides 32, 16, 8."""
    return tuple((image_size // stride, image_size // stride) for stride in (32, 16, 8))
