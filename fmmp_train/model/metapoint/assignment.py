# SPDX-License-Identifier: Apache-2.0
"""Which meta-point each keypoint slot gets: the cheapest assignment, found on the host."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

SLACK = 0.1  # of a distance that costs nothing, times how many layers are still to come
SEEN, UNSEEN = 0.1, 0.005  # weights of a meta-point's visibility for a slot that is seen, and that isn't


def assignment_cost(points: Tensor, probability: Tensor, keypoints: Tensor, shown: Tensor) -> Tensor:
    """What it costs to give a slot a meta-point, mean over the shots: (B, K, Q).

    As released, slots that nobody sees take part, with a cost that is the same for all of them.

    Args:
        points: (B, S, L, Q, 2) in [0, 1], meta-points of the supports after each layer.
        probability: (B, S, Q) of being visible, in (0, 1).
        keypoints: (B, S, K, 2) in [0, 1].
        shown: (B, S, K) bool.
    """
    layers = points.shape[2]
    slack = SLACK * torch.arange(layers - 1, -1, -1, device=points.device)  # 0.2, 0.1, 0
    away = (keypoints[:, :, None, :, None] - points[:, :, :, None]).abs().sum(-1)  # (B, S, L, K, Q), L1
    distance = (away - slack[:, None, None]).clamp(min=0).mean(2)  # (B, S, K, Q)
    seen = shown[..., None].to(points.dtype)
    chance = probability[:, :, None]
    cost = seen * (distance - SEEN * chance.log()) - UNSEEN * (1 - seen) * (1 - chance).log()
    return cost.mean(1)


def assign(cost: Tensor) -> Tensor:
    """The meta-point (B, K) of each slot, at the least total cost (B, K, Q); no two slots share one.

    Costs that are equal to rounding are common, where meta-points lie in one quadrant of two keypoints; which
    of them is taken is up to the solver.
    """
    rows = [linear_sum_assignment(each)[1] for each in cost.detach().cpu().numpy()]
    return torch.from_numpy(np.stack(rows)).to(cost.device)
