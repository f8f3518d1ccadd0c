# SPDX-License-Identifier: Apache-2.0
"""What tells whether the object is in a crop at all, and framed: evidence for a logistic regression."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fmmp_train.model.fmmp.match import unit

# Means over the keypoints that a support shows. A match's `fit` comes first, then what both starts have:
# how alike the found places are, how large and how even the answer is beside the support's keypoints, how far
# from their middle, how far the last layers moved it.
MATCH_WEIGHTS = (0.3, 10.0, -1.0, -1.0, -1.0, -1.0)  # before a calibration: only the order has meaning
CENTER_WEIGHTS = MATCH_WEIGHTS[1:]
_MIN_SPREAD = 0.02  # of keypoints, fraction of the crop: a single one has none


class Seen(NamedTuple):
    """What of the support the answer is compared with."""

    keypoints: Tensor  # (B, K, 2) in [0, 1], mean over the shots in which a point is visible
    present: Tensor  # (B, K) float: 1 where a point is visible in some shot
    feature: Tensor | None  # (B, K, C), of a start at the centre: the tokens there


def presence_evidence(seen: Seen, points: Tensor, likeness: Tensor, last_step: Tensor) -> Tensor:
    """Evidence (B, 5) that both starts have.

    Args:
        seen: of the support.
        points: (B, K, 2) in [0, 1] of the crop, the answer.
        likeness: (B, K), cosine of each support keypoint with the place where it was found.
        last_step: (B, K), log length of the last layer's step.
    """
    share = (seen.present / seen.present.sum(-1, keepdim=True).clamp(min=1))[..., None]  # (B, K, 1)
    middle, expected = (points * share).sum(1), (seen.keypoints * share).sum(1)  # (B, 2)
    around, own = points - middle[:, None], seen.keypoints - expected[:, None]
    spread, own_spread = _spread(around, share), _spread(own, share)
    scale = (around * own * share).sum((1, 2)) / own_spread.square()
    uneven = _spread(around - scale[:, None, None] * own, share)
    return torch.stack(
        (
            (likeness * share[..., 0]).sum(-1),
            (spread / own_spread).log().abs(),
            (middle - expected).square().sum(-1).add(_MIN_SPREAD**2).sqrt(),
            uneven / own_spread,
            (last_step * share[..., 0]).sum(-1),
        ),
        dim=-1,
    )


def token_likeness(feature: Tensor, found: Tensor) -> Tensor:
    """Cosine (B, K) of features (B, K, C)."""
    return (unit(feature, -1) * unit(found, -1)).sum(-1)


def _spread(around: Tensor, share: Tensor) -> Tensor:
    """Root mean square (B,) of vectors (B, K, 2)."""
    return ((around.square() * share).sum((1, 2)) + _MIN_SPREAD**2).sqrt()
