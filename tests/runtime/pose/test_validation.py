# SPDX-License-Identifier: Apache-2.0
"""Every fault of an annotation has its own message."""

import numpy as np
import pytest
from numpy.typing import ArrayLike

from fmmp_runtime.pose import BoxError, KeypointError, LinkError, check_box, check_links, check_support

POINTS = [[0.0, 0.0], [99.5, 10.0], [100.0, 80.0]]  # the border belongs to the image
SHOWN = [True, True, True]
SIZE = (80, 100)  # height, width


def test_good_support_passes() -> None:
    points, visible = check_support(POINTS, SHOWN, SIZE, 3)
    assert points.tolist() == POINTS
    assert visible.all()


def test_hidden_keypoints_may_lie_anywhere() -> None:
    check_support([[-7, 5000], [1, 1]], [False, True], SIZE, 3)


@pytest.mark.parametrize(
    ("points", "visible", "says"),
    [
        (POINTS * 2, SHOWN * 2, "6 keypoints do not fit: this model takes 3"),
        ([], [], "must be a list of x, y pairs"),
        ([1.0, 2.0], [True, True], r"got shape \(2,\)"),
        (POINTS, [True], r"visible must be \(3,\), one flag a keypoint, got \(1,\)"),
        ([[1, 1], [np.nan, 2]], [True, True], "keypoint 1 is not finite"),
        ([[1, 1], [1j, 2]], [True, True], "keypoints must be numbers: they are complex"),
        (POINTS, [False] * 3, "none of 3 keypoints is visible"),
        ([[5, 5], [10, 81]], [True, True], r"keypoint 1 at \[10.0, 81.0\] lies outside the 100 x 80 image"),
        ([[-0.5, 5], [10, 81]], [True, True], r"keypoint 0 .* \(2 of 2 do\)"),
    ],
)
def test_names_the_keypoint(points: ArrayLike, visible: ArrayLike, says: str) -> None:
    with pytest.raises(KeypointError, match=says):
        check_support(points, visible, SIZE, 3)


def test_good_links_pass() -> None:
    assert check_links([[0, 2], [1, 2]], 3).tolist() == [[0, 2], [1, 2]]
    assert check_links([], 3).shape == (0, 2)


@pytest.mark.parametrize(
    ("links", "says"),
    [
        ([[0, 1], [1, 3]], r"link 1, \[1, 3\], is out of range: keypoints are 0 to 2"),
        ([[-1, 1]], "out of range"),
        ([[0, 1], [2, 2]], r"link 1, \[2, 2\], joins a keypoint to itself"),
        ([[0, 1], [0, 1]], "link 1, .* is there twice"),
        ([[0, 1], [1, 0]], "link 1, .* is there twice"),
        ([0, 1], r"got shape \(2,\)"),
        ([[0, 1, 2]], r"got shape \(1, 3\)"),
        ([[0, 1.5]], "whole numbers"),
        ([[0, np.nan]], "whole numbers"),
        ([["a", "b"]], "pairs of keypoint indices"),
        ([[0, 1j]], "pairs of keypoint indices"),
        ([[0, 1e308]], "whole numbers"),
    ],
)
def test_names_the_link(links: ArrayLike, says: str) -> None:
    with pytest.raises(LinkError, match=says):
        check_links(links, 3)


def test_faults_of_data_sets_can_be_let_pass() -> None:
    assert check_links([[0, 1], [1, 0]], 3, once=False).tolist() == [[0, 1], [1, 0]]
    check_support([[5, 5], [10, 81]], [True, True], None, 3)
    check_support(np.array([[5, 5], [np.nan, np.inf]]), [True, False], (80, 100), 3)  # a hidden one is hidden
    with pytest.raises(KeypointError, match="keypoint 0 is not finite"):
        check_support([[np.nan, 5]], [True], None, 3)
    with pytest.raises(LinkError, match="joins a keypoint to itself"):
        check_links([[1, 1]], 3, once=False)


@pytest.mark.parametrize("box", [[-50, 10, 40, 20], [10, -30, 20, 30], [10, 10, 0, 20], [10, 10, 20, -4]])
def test_box_before_the_near_border_or_without_area_is_refused(box: list[float]) -> None:
    with pytest.raises(BoxError, match="lies outside"):
        check_box(box, SIZE)


def test_box_over_the_border_is_clipped() -> None:
    assert check_box([90, 70, 50, 50], SIZE).tolist() == [90, 70, 9, 9]
