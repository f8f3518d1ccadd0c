# SPDX-License-Identifier: Apache-2.0
"""Pictures: right place, right colour, readable anywhere, nothing else touched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmmp_runtime.media.draw import (
    ATTENTION,
    REFERENCE,
    draw_attention,
    draw_errors,
    draw_pose,
    draw_sheet,
    palette,
)

GREY = np.full((120, 200, 3), 128, np.uint8)


@pytest.mark.parametrize("count", [1, 4, 8, 9, 20, 68])
def test_colours_differ_also_without_hue(count: int) -> None:
    colours = palette(count).astype(float)
    assert colours.shape == (count, 3)
    assert len({tuple(c) for c in colours}) == count
    if count > 8:
        lightness = colours @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(lightness) > 0).all()


def test_point_is_where_it_should_be_in_its_colour() -> None:
    picture = draw_pose(GREY, [[150.0, 30.0], [20.0, 100.0]], [True, True], [])
    colours = palette(2)
    assert picture[30, 150].tolist() == colours[0].tolist()
    assert picture[100, 20].tolist() == colours[1].tolist()
    changed = np.argwhere((picture != GREY).any(2))
    near = np.minimum(np.abs(changed - [30, 150]).max(1), np.abs(changed - [100, 20]).max(1))
    assert near.max() <= 6


@pytest.mark.parametrize("background", [0, 128, 255])
def test_point_stands_out_on_any_background(background: int) -> None:
    """A dark and a white ring around every disc: one of the two differs from whatever lies below."""
    canvas = np.full((80, 80, 3), background, np.uint8)
    for colour_of in range(8):
        points = np.full((8, 2), -100.0)
        points[colour_of] = [40, 40]
        picture = draw_pose(canvas, points, np.ones(8, bool), []).astype(int)
        assert np.abs(picture - background).max(2)[30:50, 30:50].max() > 80


def test_hidden_and_infinite_points_are_left_out_with_their_links() -> None:
    points = np.array([[50, 50], [100, 50], [np.nan, 3]])
    picture = draw_pose(GREY, points, np.array([True, False, True]), [[0, 1], [0, 2]])
    np.testing.assert_array_equal(picture, draw_pose(GREY, points, [True, False, False], []))
    np.testing.assert_array_equal(picture[:, 70:], GREY[:, 70:])


def test_link_joins_its_points() -> None:
    picture = draw_pose(GREY, [[20, 60], [180, 60]], [True, True], [[0, 1]])
    mean = palette(2).astype(int).sum(0) // 2
    assert np.abs(picture[60, 100] - mean).max() < 20  # OpenCV lets a thin smooth line shine through
    assert np.abs(picture[50, 30:170].astype(int) - 128).max() == 0


def test_low_score_is_smaller_and_fainter() -> None:
    sizes, contrasts = [], []
    for score in (0.0, 0.5, 1.0):
        picture = draw_pose(GREY, [[100, 60]], [True], [], [score]).astype(int)
        sizes.append(int((picture != 128).any(2).sum()))
        contrasts.append(int(np.abs(picture - 128).max()))
    assert sizes == sorted(set(sizes))
    assert contrasts == sorted(set(contrasts))
    np.testing.assert_array_equal(
        draw_pose(GREY, [[100, 60]], [True], [], [1.0]), draw_pose(GREY, [[100, 60]], [True], [])
    )


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=4),
    st.integers(1, 40),
)
def test_points_anywhere_and_images_of_any_size(points: list[tuple[float, float]], side: int) -> None:
    image = np.zeros((side, 2 * side, 3), np.uint8)
    picture = draw_pose(image, points, [True] * len(points), [[0, 1]])
    assert picture.shape == image.shape
    assert not image.any()


def test_large_pictures_have_thick_lines() -> None:
    large = np.full((2000, 3000, 3), 128, np.uint8)
    picture = draw_pose(large, [[500, 1000], [2500, 1000]], [True, True], [[0, 1]])
    assert 15 < (picture[:, 1500] != 128).any(1).sum() < 40


def test_sheet() -> None:
    panels = [(f"picture {n}", GREY) for n in range(5)]
    sheet = draw_sheet(panels, height=60, columns=4)
    assert sheet.shape == (2 * (60 + 38), 4 * (100 + 16), 3)
    assert (sheet[30:90, 8:108] == 128).all()
    assert (sheet[98:, 116:] == 245).all()  # the second row has one picture
    assert (sheet[:30, :116] < 100).any()  # its title


def test_long_titles_stay_over_their_picture() -> None:
    narrow = np.full((100, 40, 3), 128, np.uint8)
    sheet = draw_sheet([("a very long file name.jpg", narrow), ("", narrow)], height=100)
    assert (sheet[:30, 50:] == 245).all()


def test_an_error_is_an_arrow_from_the_answer_to_the_truth() -> None:
    picture = draw_errors(GREY, [[30, 60], [100, 20]], [[170, 60], [10, 10]], [True, False]).astype(int)
    assert picture[60, 100].max() < 60  # dark
    assert picture[:, 100].max() > 200  # in a white case
    changed = np.abs(picture - 128).max(2) > 0
    columns = changed.any(0).nonzero()[0]
    assert columns.min() >= 26
    assert columns.max() <= 176
    spread = changed.sum(0)
    assert spread[155:172].max() > spread[40:100].max() + 2  # the head is at the truth
    assert spread[25:45].max() <= spread[40:100].max()
    assert not changed[:40].any()  # the other one is hidden
    np.testing.assert_array_equal(draw_errors(GREY, [[30, 60]], [[30.5, 60]], [True]), GREY)


def test_attention_is_as_opaque_as_its_weight() -> None:
    places = np.array([[40.0, 30.0], [100.0, 30.0], [160.0, 30.0]])
    picture = draw_attention(GREY, places, [0.64, 0.16, 0.0], [100.0, 90.0]).astype(int)
    distance = [np.abs(picture[30, x] - 128).sum() for x in (40, 100, 160)]
    assert picture[30, 40].tolist() == list(ATTENTION)
    assert distance[1] == pytest.approx(distance[0] / 2, abs=3)  # root of a quarter, whole numbers
    assert distance[2] == 0
    assert np.abs(picture[90, 100] - REFERENCE).max() < 30
    np.testing.assert_array_equal(draw_attention(GREY, np.zeros((0, 2)), [], [9, 9])[60:], GREY[60:])


@pytest.mark.parametrize("background", [0, 128, 255])
def test_arrows_and_crosses_stand_out(background: int) -> None:
    canvas = np.full((80, 80, 3), background, np.uint8)
    for picture in (
        draw_errors(canvas, [[10, 40]], [[70, 40]], [True]),
        draw_attention(canvas, np.zeros((0, 2)), [], [40, 40]),
    ):
        assert np.abs(picture.astype(int) - background).max(2)[35:45, 35:45].max() > 80


def test_given_colours() -> None:
    picture = draw_pose(GREY, [[50, 50]], [True], [], colours=[[1, 2, 3]])
    assert picture[50, 50].tolist() == [1, 2, 3]
