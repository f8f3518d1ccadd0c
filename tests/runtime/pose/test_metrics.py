# SPDX-License-Identifier: Apache-2.0
"""PCK against golden values and by hand."""

from typing import Any

import numpy as np
import pytest

from fmmp_runtime.pose import THRESHOLDS, mean_pck, pck
from tests.golden import load_json

CASES = load_json("geometry")["pck"]


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_golden(case: dict[str, Any]) -> None:
    for threshold, expected in case["pck"].items():
        got = pck(case["prediction"], case["truth"], case["mask"], case["bbox_wh"], float(threshold))
        assert got == pytest.approx(expected, rel=0, abs=1e-15)  # a quotient of whole numbers


def test_longer_side_counts_and_the_border_is_wrong() -> None:
    truth = np.zeros((4, 2))
    prediction = np.array([[9.9, 0], [0, 9.9], [10, 0], [8, 8]])  # 8, 8 is 11.3 away
    for size in ([100, 7], [7, 100]):
        assert pck(prediction, truth, np.ones(4, bool), size, 0.1) == 0.5


def test_nan_is_wrong_and_hidden_does_not_count() -> None:
    prediction = np.array([[np.nan, 0], [0, 0], [500, 500]])
    assert pck(prediction, np.zeros((3, 2)), [True, True, False], [100, 100], 0.2) == 0.5


def test_nothing_visible_is_zero() -> None:
    assert pck(np.zeros((2, 2)), np.zeros((2, 2)), [False, False], [10, 10], 0.2) == 0


def test_mean_is_over_images_first() -> None:
    truths = [np.zeros((1, 2)), np.zeros((4, 2)), np.zeros((2, 2))]
    predictions = [np.zeros((1, 2)), np.full((4, 2), 12.0), np.zeros((2, 2))]  # 17 away of 100
    visible = [[True], [True] * 4, [False, False]]
    result = mean_pck(predictions, truths, visible, [[100, 50]] * 3)
    third, half = pytest.approx(1 / 3), 0.5
    assert result.per_threshold == {0.05: third, 0.1: third, 0.15: third, 0.2: pytest.approx(2 / 3)}
    assert result.measurable == {0.05: half, 0.1: half, 0.15: half, 0.2: 1.0}
    assert result.mean == pytest.approx((3 * 1 / 3 + 2 / 3) / 4)
    assert (result.images, result.empty_images) == (3, 1)
    assert tuple(result.per_threshold) == THRESHOLDS


def test_only_empty_images() -> None:
    result = mean_pck([np.zeros((1, 2))], [np.zeros((1, 2))], [[False]], [[9, 9]])
    assert result.measurable == dict.fromkeys(THRESHOLDS, 0.0)
    assert result.empty_images == 1


def test_no_image_and_uneven_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        mean_pck([], [], [], [])
    with pytest.raises(ValueError, match="zip"):
        mean_pck([np.zeros((1, 2))], [], [[True]], [[9, 9]])
