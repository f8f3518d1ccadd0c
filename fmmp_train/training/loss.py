# SPDX-License-Identifier: Apache-2.0
"""Training losses: the paper's L1 terms, and the auxiliary term of a network that starts from a match."""

from typing import NamedTuple

import torch
from torch import Tensor

from fmmp_runtime.pose import THRESHOLDS

MISS_WIDTH = 0.35  # of the step in `miss_loss`, as a fraction of its threshold


class KeypointLoss(NamedTuple):
    """The two terms of FMMP, arXiv:2503.21140, Eq. (9)-(11); their sum is the loss. Scalars."""

    raw: Tensor  # annotated keypoints
    padded: Tensor  # keypoints added on the links, already times beta


def keypoint_loss(
    points: Tensor, truth: Tensor, visible: Tensor, count: Tensor, *, beta: float = 0.5
) -> KeypointLoss:
    """L1 over x and y, mean over visible keypoints, summed over layers, mean over the batch.

    Args:
        points: (L, B, K, 2) predictions of all layers, in [0, 1].
        truth: (B, K, 2), in [0, 1].
        visible: (B, K) bool; a hidden keypoint counts nowhere.
        count: (B,) keypoints of the category; those from `count` on are padded ones.
        beta: weight of the padded keypoints.

    Returns:
        Both terms; a pair without a visible keypoint adds 0 to the mean.
    """
    error = (points - truth).abs().sum(-1).sum(0)  # (B, K)
    annotated = torch.arange(truth.shape[1], device=truth.device) < count[:, None]  # (B, K)
    raw = _visible_mean(error, visible & annotated).mean()
    padded = _visible_mean(error, visible & ~annotated).mean()
    return KeypointLoss(raw, beta * padded)


def match_loss(
    logits: Tensor, truth: Tensor, visible: Tensor, *, size: tuple[int, int], sigma: float = 0.6
) -> Tensor:
    """Cross-entropy of each keypoint's match map to a Gaussian around its true position; a scalar.

    Ours, not the paper's: it teaches the descriptors of a network that starts from a match.

    Args:
        logits: (B, K, H * W), before the softmax over cells, rows of the map first.
        truth: (B, K, 2), in [0, 1].
        visible: (B, K) bool.
        size: (H, W) of the map.
        sigma: standard deviation of the Gaussian, cells.

    Returns:
        Mean over visible keypoints of a pair, then over the batch.
    """
    height, width = size
    y = torch.arange(height, device=truth.device, dtype=truth.dtype) + 0.5
    x = torch.arange(width, device=truth.device, dtype=truth.dtype) + 0.5
    dx = truth[..., :1] * width - x  # (B, K, W), cells
    dy = truth[..., 1:] * height - y  # (B, K, H)
    exponent = -(dy[..., :, None] ** 2 + dx[..., None, :] ** 2) / (2 * sigma**2)  # (B, K, H, W)
    target = exponent.flatten(-2).softmax(-1)
    cross_entropy = -(target * logits.log_softmax(-1)).sum(-1)  # (B, K)
    return _visible_mean(cross_entropy, visible).mean()


def miss_loss(points: Tensor, truth: Tensor, visible: Tensor, *, side: float) -> Tensor:
    """Smooth share of keypoints that PCK calls missed, mean over thresholds, summed over layers; a scalar.

    Ours, not the paper's: L1 asks for the median of what may be right and so blurs, PCK for the likeliest
    place. A keypoint at a threshold counts half; 0.05 where it is right, 0.95 at twice the threshold.

    Args:
        points: (L, B, K, 2) predictions, in [0, 1].
        truth: (B, K, 2), in [0, 1].
        visible: (B, K) bool.
        side: longer side of an object's box over that of its crop.

    Returns:
        Mean over visible keypoints of a pair, then over the batch.
    """
    distance = ((points - truth).square().sum(-1) + 1e-8).sqrt() / side  # (L, B, K); a root has no slope at 0
    thresholds = distance.new_tensor(THRESHOLDS)
    missed = ((distance[..., None] - thresholds) / (MISS_WIDTH * thresholds)).sigmoid().mean(-1)
    return _visible_mean(missed.sum(0), visible).mean()


def _visible_mean(value: Tensor, visible: Tensor) -> Tensor:
    """Mean over the visible keypoints of each pair, (B, K) -> (B,); 0 where none is visible."""
    return torch.where(visible, value, 0.0).sum(-1) / visible.sum(-1).clamp(min=1)
