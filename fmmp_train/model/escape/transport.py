# SPDX-License-Identifier: Apache-2.0
"""Optimal transport of keypoints to super-keypoints, in logarithms; unneeded ones go into a bin."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDS = 50


def transport(scores: Tensor, bin_score: Tensor, visible: Tensor) -> Tensor:
    """Shares (B, K + 1, N) of super-keypoints in each keypoint; the last row is the bin.

    Args:
        scores: (B, K, N) likeness.
        bin_score: scalar, likeness of every super-keypoint with the bin.
        visible: (B, K) bool; N must exceed the number of them. As released, a hidden keypoint's row is no
            share: it takes part in no sum, and nothing should read it.
    """
    count = scores.shape[-1]
    present = F.pad(visible, (0, 1), value=True)[..., None]  # (B, K + 1, 1)
    bins = bin_score.expand(len(scores), 1, count)
    coupling = torch.where(present, torch.cat((scores, bins), dim=1), 0.0)
    number = visible.sum(-1, keepdim=True).to(scores.dtype)  # V
    rest = (count - number).clamp(min=1).log()[..., None]  # (B, 1, 1)
    log_row = torch.cat((torch.zeros_like(scores[..., :1]), rest), dim=1) - math.log(count)  # (B, K + 1, 1)
    log_column = -math.log(count)
    columns = torch.zeros_like(coupling[:, :1])  # (B, 1, N)
    rows = torch.zeros_like(log_row)
    for _ in range(ROUNDS):
        rows = torch.where(present, log_row - (coupling + columns).logsumexp(-1, keepdim=True), 0.0)
        kept = torch.where(present, coupling + rows, -torch.inf)
        columns = log_column - kept.logsumexp(1, keepdim=True)
    return (coupling + rows + columns + math.log(count)).exp()
