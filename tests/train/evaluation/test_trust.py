# SPDX-License-Identifier: Apache-2.0
"""Reliability and risk against loops."""

import numpy as np
import pytest

from fmmp_train.evaluation.trust import calibration_error, reliability, risk_coverage


def test_risk_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    score, is_right = rng.permutation(200) / 200, rng.random(200) < 0.6
    coverage, risk = risk_coverage(score, is_right)
    for kept in (1, 2, 77, 200):
        surest = sorted(range(200), key=lambda i: -score[i])[:kept]
        assert coverage[kept - 1] == kept / 200
        assert risk[kept - 1] == pytest.approx(sum(not is_right[i] for i in surest) / kept, rel=1e-12)


def test_equal_scores_are_kept_in_the_mean() -> None:
    """Whatever their order, keypoints that the score does not tell apart add their mean."""
    for right in ([True, False, False, True], [False, True, True, False]):
        risk = risk_coverage(np.array([0.9, 0.9, 0.1, 0.1]), np.array(right))[1]
        np.testing.assert_allclose(risk, 0.5)


def test_a_perfect_score_has_the_least_risk() -> None:
    is_right = np.array([True, False, True, False])
    np.testing.assert_allclose(risk_coverage(is_right * 1.0, is_right)[1], [0, 0, 1 / 3, 1 / 2])


def test_weights_count() -> None:
    score, is_right = np.array([0.05, 0.06, 1.0]), np.array([True, False, True])
    [low, high] = reliability(score, is_right, np.array([0.6, 0.2, 0.2]))
    assert low == pytest.approx(((0.6 * 0.05 + 0.2 * 0.06) / 0.8, 0.75, 0.8))
    assert high == pytest.approx((1.0, 1.0, 0.2))
    assert calibration_error([low, high]) == pytest.approx(0.8 * (0.75 - 0.0525))
