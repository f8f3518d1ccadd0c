# SPDX-License-Identifier: Apache-2.0
"""A moving average of the weights: less noisy than the last ones, and often better."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, decay: float, step: int) -> None:
    """Move `average` towards `network`, in place.

    Args:
        average: a copy of the network made before the first step.
        network: after a step.
        decay: share of the average that stays; less in the first steps, so that the start is soon forgotten.
        step: steps done before, from 0.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    for mine, theirs in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(theirs, share)
        else:
            mine.copy_(theirs)
