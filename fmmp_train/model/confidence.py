# SPDX-License-Identifier: Apache-2.0
"""How far an answer can be trusted: logistic regressions on what the network did to find it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

MIN_STEP = 1e-3  # fraction of the crop: a quarter of a pixel; smaller steps say no more
UNCALIBRATED_BIAS = -4.0  # steps of e^-4, 5 px, score 0.5


class Confidence(nn.Module):
    """Score in [0, 1]; calibrated on validation data by `fmmp_train.calibration.calibrate`, see `calibrated`.

    Evidence for each keypoint: log of the last steps between layers (agreement) and, when the start is a
    match, how narrow the belief was and how alike the found cells are; then what `presence` says of the whole
    crop. The same form serves for presence itself. Uncalibrated, only the order of the scores has meaning.
    """

    weight: Tensor
    bias: Tensor
    calibrated: Tensor

    def __init__(
        self, num_evidence: int, *, weights: Sequence[float] = (), bias: float = UNCALIBRATED_BIAS
    ) -> None:
        """Start uncalibrated, with these weights; without, with the same for all the evidence."""
        super().__init__()
        started = torch.tensor(weights) if weights else torch.full((num_evidence,), -1.0 / num_evidence)
        self.register_buffer("weight", started)
        self.register_buffer("bias", torch.tensor(bias))
        self.register_buffer("calibrated", torch.tensor(False))

    def forward(self, evidence: Tensor) -> Tensor:
        """(..., E) -> (...) in [0, 1]."""
        return (evidence @ self.weight + self.bias).sigmoid()


def steps(trail: Tensor) -> Tensor:
    """Start and layers (L+1, B, K, 2) -> log lengths of the steps into the last two layers, (B, K, 2).

    With one layer both are its only step.
    """
    lengths = (trail[1:] - trail[:-1]).square().sum(-1).sqrt()  # (L, B, K)
    logs = (lengths + MIN_STEP).log()
    return torch.stack((logs[-1], logs[-2:][0]), dim=-1)
