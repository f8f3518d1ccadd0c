# SPDX-License-Identifier: Apache-2.0
"""The loss against golden values and against loops."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from fmmp_runtime.pose import THRESHOLDS
from fmmp_train.training.loss import MISS_WIDTH, keypoint_loss, match_loss, miss_loss
from tests.golden import load_json

CASES = load_json("loss")["loss"]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_golden(case: dict[str, Any]) -> None:
    points = torch.tensor(case["predictions"], dtype=torch.float64).transpose(0, 1)  # stored as (B, L, K, 2)
    loss = keypoint_loss(
        points,
        torch.tensor(case["truth"], dtype=torch.float64),
        torch.tensor(case["visible"]),
        torch.tensor(case["keypoints"]),
        beta=case["beta"],
    )
    # both in float64, sums of at most 72 terms below 2: 72 * 2 * 2^-53 < 2e-14
    torch.testing.assert_close(loss.raw.item(), case["loss_raw"], rtol=0, atol=2e-14)
    torch.testing.assert_close(loss.padded.item(), case["loss_mixup_times_beta"], rtol=0, atol=2e-14)


def test_hidden_keypoints_neither_count_nor_pull() -> None:
    points = torch.rand(2, 1, 4, 2, generator=torch.Generator().manual_seed(0), requires_grad=True)
    truth = torch.full((1, 4, 2), 0.5)
    truth[0, 1] = math.nan  # what a hidden annotation may hold
    loss = keypoint_loss(points, truth, torch.tensor([[True, False, True, False]]), torch.tensor([2]))
    assert torch.isfinite(loss.raw)
    (gradient,) = torch.autograd.grad(loss.raw + loss.padded, points)
    assert gradient[:, :, 1].abs().sum() == 0
    assert gradient[:, :, 3].abs().sum() == 0
    assert (
        gradient[:, :, 0].abs().sum() == 4
    )  # 2 layers, x and y, one visible raw keypoint: |gradient| = 1 each
    assert gradient[:, :, 2].abs().sum() == 2  # beta = 0.5


def test_no_visible_keypoint_gives_zero() -> None:
    loss = keypoint_loss(
        torch.rand(3, 2, 5, 2), torch.rand(2, 5, 2), torch.zeros(2, 5, dtype=torch.bool), torch.tensor([3, 5])
    )
    assert loss.raw == 0
    assert loss.padded == 0


def test_match_loss_against_loops() -> None:
    generator = torch.Generator().manual_seed(1)
    height, width, sigma = 3, 5, 0.7
    logits = torch.randn(2, 2, height * width, generator=generator, dtype=torch.float64)
    truth = torch.rand(2, 2, 2, generator=generator, dtype=torch.float64)
    visible = torch.tensor([[True, False], [True, True]])
    pairs = []
    for b in range(2):
        terms = []
        for k in range(2):
            if not visible[b, k]:
                continue
            weights = []
            for row in range(height):
                for column in range(width):
                    dx = truth[b, k, 0].item() * width - (column + 0.5)
                    dy = truth[b, k, 1].item() * height - (row + 0.5)
                    weights.append(math.exp(-(dx**2 + dy**2) / (2 * sigma**2)))
            shift = torch.logsumexp(logits[b, k], 0).item()
            terms.append(
                -sum(w * (logit - shift) for w, logit in zip(weights, logits[b, k].tolist(), strict=True))
                / sum(weights)
            )
        pairs.append(sum(terms) / len(terms))
    loss = match_loss(logits, truth, visible, size=(height, width), sigma=sigma)
    torch.testing.assert_close(loss.item(), sum(pairs) / 2, rtol=1e-12, atol=0)  # float64, 15 cells


def test_the_smooth_miss_counts_as_pck_does() -> None:
    """At a threshold one half, far outside 1; hidden keypoints and the side of the box count."""
    side = 0.8
    errors = torch.tensor([0.0, 0.1, 10.0, 10.0]) * side  # the second is at one of the four thresholds
    truth = torch.rand(1, 4, 2)
    points = truth + torch.stack((errors, torch.zeros(4)), dim=-1)
    visible = torch.tensor([[True, True, True, False]])
    at_start = 1 / (1 + np.exp(1 / MISS_WIDTH))  # a keypoint that is right, at any threshold
    ratios = 0.1 / np.array(THRESHOLDS)
    at_second = np.mean(1 / (1 + np.exp(-(ratios - 1) / MISS_WIDTH)))
    expected = 2 * (at_start + at_second + 1) / 3  # two layers
    found = miss_loss(points.expand(2, -1, -1, -1), truth, visible, side=side)
    # the guard of the root is 1e-4 of the crop, which the steep 0.05 turns into 1e-3
    assert float(found) == pytest.approx(expected, abs=2e-3)
    assert float(miss_loss(points[None], truth, torch.zeros(1, 4, dtype=torch.bool), side=side)) == 0
