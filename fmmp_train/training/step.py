# SPDX-License-Identifier: Apache-2.0
"""One training step's forward pass: a batch in, its losses out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_runtime.pose import CROP_PADDING
from fmmp_train.data.examples.dataset import Batch
from fmmp_train.model import Network
from fmmp_train.model.fmmp.state import Encoded
from fmmp_train.model.images import normalize
from fmmp_train.training.loss import keypoint_loss, match_loss, miss_loss
from fmmp_train.training.presets import LossConfig


class Losses(NamedTuple):
    """Scalars."""

    total: Tensor
    raw: Tensor  # annotated keypoints
    padded: Tensor  # times its weight
    match: Tensor  # times its weight; 0 where the network doesn't start from a match
    miss: Tensor  # times its weight


class TrainStep(nn.Module):
    """The network with its losses, so that one forward call is all that a parallel wrapper sees.

    Args:
        network: what is trained.
        loss: weights of the terms.
        backbone_norm: whether the backbone's batch statistics move ("train") or stay ("frozen").
        backbone_bfloat16: run a wholly frozen backbone in bfloat16 with channels last.
    """

    def __init__(
        self, network: Network, loss: LossConfig, *, backbone_norm: str, backbone_bfloat16: bool
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.backbone_norm = backbone_norm
        self.is_frozen = not any(parameter.requires_grad for parameter in network.backbone.parameters())
        self.is_bfloat16 = backbone_bfloat16 and self.is_frozen
        if self.is_bfloat16:
            network.backbone.to(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> TrainStep:
        """Set the mode of all modules; a backbone with frozen statistics stays in eval mode."""
        super().train(mode)
        if self.backbone_norm == "frozen":
            self.network.backbone.eval()
        return self

    def forward(self, batch: Batch) -> Losses:
        """Losses of a batch: means over its pairs."""
        count = len(batch.query)
        encoded = self.network.encode(self._features(torch.cat((batch.query, batch.support.flatten(0, 1)))))
        query, support = _rows(encoded, slice(count)), _rows(encoded, slice(count, None))
        state = self.network.remember(
            support, batch.support_keypoints, batch.support_visible, batch.reference_index
        )
        located, found = self.network.refine(query, state)
        visible = batch.query_visible & batch.support_visible.all(1)
        truth = batch.query_keypoints
        raw, padded = keypoint_loss(located.points, truth, visible, batch.num_keypoints, beta=self.loss.beta)
        match = raw.new_zeros(())
        if found is not None and self.loss.match:
            height, width = found.similarity.shape[-2:]
            logits = found.logits[-1]
            match = self.loss.match * match_loss(
                logits, truth, visible, size=(height, width), sigma=self.loss.match_sigma
            )
        miss = raw.new_zeros(())
        if self.loss.miss:
            answers = located.points
            if found is not None:  # the layers start from the match, and learn nothing of it
                answers = torch.cat((found.points[None], answers))
            miss = self.loss.miss * miss_loss(answers, truth, visible, side=1 / CROP_PADDING)
        return Losses(raw + padded + match + miss, raw, padded, match, miss)

    def _features(self, images: Tensor) -> list[Tensor]:
        """Backbone maps of uint8 images (B, H, W, 3), fine to coarse, float32."""
        inputs = normalize(images)
        context: AbstractContextManager[object] = nullcontext()
        if self.is_bfloat16:
            context = torch.autocast(images.device.type, torch.bfloat16)
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen), context:
            features = self.network.backbone(inputs)
        return [feature.float() for feature in features] if self.is_bfloat16 else list(features)


def _rows(encoded: Encoded, rows: slice) -> Encoded:
    """Some images of a batch."""
    descriptors = None if encoded.descriptors is None else encoded.descriptors[rows]
    return Encoded(encoded.tokens[rows], descriptors)
