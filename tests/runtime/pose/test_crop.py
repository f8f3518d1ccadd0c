# SPDX-License-Identifier: Apache-2.0
"""Boxes and crops against golden values, and there and back again."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmmp_runtime.pose import BoxError, crop_matrix, invert_matrix, sanitize_box, transform_points
from tests.golden import load_json

CASES = load_json("geometry")["crop"]
lengths = st.floats(2, 4000)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_golden(case: dict[str, Any]) -> None:
    width, height = case["image_wh"]
    box = sanitize_box(case["bbox_xywh"], (height, width))
    np.testing.assert_allclose(box, case["clean_bbox"], rtol=0, atol=1e-12)  # the same float64 operations
    matrix = crop_matrix(box, rotation_deg=case["rotation_deg"])
    # The released code rounds centre (up to 700 px: 3e-5) and scale to float32, and magnifies by up to 5.
    np.testing.assert_allclose(matrix, case["matrix"], rtol=0, atol=2e-4)
    np.testing.assert_allclose(matrix[:, :2], np.array(case["matrix"])[:, :2], rtol=0, atol=1e-6)
    points = transform_points(case["keypoints_px"], matrix)
    np.testing.assert_allclose(points, case["keypoints_crop_px"], rtol=0, atol=5e-4)


@given(
    st.floats(-500, 500), st.floats(-500, 500), lengths, lengths, st.floats(0.8, 1.2), st.floats(-180, 180)
)
def test_there_and_back(x: float, y: float, w: float, h: float, scale: float, rotation: float) -> None:
    matrix = crop_matrix([x, y, w, h], size=192, padding=1.1, scale=scale, rotation_deg=rotation)
    points = np.random.default_rng(0).uniform(-100, 900, (3, 5, 2))
    back = transform_points(transform_points(points, matrix), invert_matrix(matrix))
    # 192 px over at least 2 px magnify a rounding of 2^-53 at 5000 px by 100, and back
    np.testing.assert_allclose(back, points, rtol=0, atol=1e-7)


@given(lengths, lengths)
def test_crop_is_the_padded_square_around_the_box(w: float, h: float) -> None:
    matrix = crop_matrix([30, 70, w, h], size=256, padding=1.25)
    half = max(w, h) * 1.25 / 2
    centre = np.array([30 + w / 2, 70 + h / 2])
    corners = centre + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    # multiplied by up to 100 px/px at up to 5000 px
    expected = [[0, 0], [256, 0], [256, 256], [0, 256]]
    np.testing.assert_allclose(transform_points(corners, matrix), expected, rtol=0, atol=1e-8)


def test_scale_and_rotation_directions() -> None:
    box = [0, 0, 100, 100]
    right = [[80.0, 50.0]]  # right of the centre
    np.testing.assert_allclose(
        transform_points(right, crop_matrix(box, 100, 1.0, scale=2)), [[65, 50]], atol=1e-12
    )
    turned = transform_points(right, crop_matrix(box, 100, 1.0, rotation_deg=90))
    np.testing.assert_allclose(turned, [[50, 20]], atol=1e-12)  # counter-clockwise: up


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([10, 20, 30, 40], [10, 20, 29, 39]),  # far corner is the last pixel inside
        ([-5, -5, 30, 40], [0, 0, 29, 39]),  # as COCO tools: moves inside, keeps its size
        ([50, 10, 500, 500], [50, 10, 49, 69]),  # clipped at 99, 79 of a 100 x 80 image
        ([0, 0, 100, 80], [0, 0, 99, 79]),
        ([99, 0, 5, 5], [99, 0, 0, 4]),  # a column of pixels
    ],
)
def test_sanitize(box: list[float], expected: list[float]) -> None:
    assert sanitize_box(box, (80, 100)).tolist() == expected


@pytest.mark.parametrize(
    ("box", "says"),
    [
        ([200, 10, 30, 30], "lies outside the 100 x 80 image"),
        ([10, 90, 30, 30], "lies outside the 100 x 80 image"),
        ([10, 10, 1, 1], "covers one pixel of the 100 x 80 image"),
        ([10, 10, 30], "four finite numbers"),
        ([10, 10, np.nan, 30], "four finite numbers"),
        ([10, 10, np.inf, 30], "four finite numbers"),
    ],
)
def test_names_the_fault(box: list[float], says: str) -> None:
    with pytest.raises(BoxError, match=says):
        sanitize_box(box, (80, 100))
