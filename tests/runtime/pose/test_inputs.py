# SPDX-License-Identifier: Apache-2.0
"""From an annotation to what a network reads, against the parts that it is made of."""

from dataclasses import replace

import numpy as np
import pytest

from fmmp_runtime.pose import (
    InputConfig,
    Method,
    adjacency,
    crop_keypoints,
    draw_mixup,
    pad_keypoints,
    reference_index,
    support_inputs,
)

POINTS = np.array([[[0.1, 0.2], [0.5, 0.5], [0.9, 0.3]], [[0.2, 0.2], [0.4, 0.6], [0.8, 0.1]]])
VISIBLE = np.array([[True, True, False], [True, True, True]])
LINKS = [(0, 1), (2, 1)]
CONFIG = InputConfig(max_keypoints=8, num_heads=3)


@pytest.mark.parametrize("method", ["uniform", "mixup", "zero"])
def test_every_shot_is_padded_and_indexed_alone_with_the_same_draws(method: Method) -> None:
    inputs = support_inputs([*zip(POINTS, VISIBLE, strict=True)], LINKS, replace(CONFIG, padding=method))
    assert list(inputs) == list(CONFIG.names)
    draws = draw_mixup(2, 5, 1.0, np.random.default_rng(0)) if method == "mixup" else ()
    for shot in range(2):
        points, shown, links = pad_keypoints(POINTS[shot], VISIBLE[shot], LINKS, 8, method, *draws)
        np.testing.assert_array_equal(inputs["keypoints"][shot], points)
        np.testing.assert_array_equal(inputs["visible"][shot], shown)
        np.testing.assert_array_equal(inputs["reference_index"][shot], reference_index(shown, links, 3))


def test_links_as_an_adjacency_or_not_at_all() -> None:
    given = [*zip(POINTS, VISIBLE, strict=True)]
    inputs = support_inputs(given, LINKS, replace(CONFIG, padding="zero", structure="adjacency"))
    expected = np.zeros((8, 8), np.bool_)
    for start, end in LINKS:
        expected[start, end] = expected[end, start] = True
    np.testing.assert_array_equal(inputs["adjacency"], [expected, expected])
    assert list(support_inputs(given, LINKS, replace(CONFIG, structure=None))) == ["keypoints", "visible"]
    assert not adjacency([], 4).any()
    assert np.argwhere(adjacency([(2, 2)], 4)).tolist() == [[2, 2]]


def test_a_hidden_keypoint_lies_at_the_corner_of_its_image() -> None:
    matrix = np.array([[0.5, 0.1, 3], [-0.1, 0.5, -7]])
    points = crop_keypoints(np.array([[10, 20], [np.nan, 1e300]]), [True, False], matrix, 64)
    expected = [[(0.5 * 10 + 0.1 * 20 + 3) / 64, (-0.1 * 10 + 0.5 * 20 - 7) / 64], [3 / 64, -7 / 64]]
    np.testing.assert_allclose(points, expected, rtol=1e-14)  # float64
