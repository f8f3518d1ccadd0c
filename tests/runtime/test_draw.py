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
    palette,
    score_legend,
)
from fmmp_runtime.media.labels import labels_of
from fmmp_runtime.media.sheet import draw_sheet, pose_panel

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


def test_low_score_is_hollow_with_dashed_links() -> None:
    points, links = [[40, 60], [160, 60]], [[0, 1]]
    sure = draw_pose(GREY, points, [True, True], links, [1.0, 0.5])
    np.testing.assert_array_equal(sure, draw_pose(GREY, points, [True, True], links))
    unsure = draw_pose(GREY, points, [True, True], links, [1.0, 0.49]).astype(int)
    assert unsure[60, 40].tolist() == palette(2)[0].tolist()  # filled
    assert unsure[60, 160].tolist() == [128, 128, 128]  # the picture shows through
    assert (unsure[60, 155:166] != 128).any()
    along = (unsure[60, 60:140] == 128).all(1)
    assert 4 < np.count_nonzero(np.diff(along.astype(int))) < 40  # dashes and gaps
    other = draw_pose(GREY, points, [True, True], links, [1.0, 0.49], threshold=0.3)
    np.testing.assert_array_equal(other, sure)


def test_a_score_that_is_no_number_is_unsure() -> None:
    picture = draw_pose(GREY, [[100, 60]], [True], [], [np.nan])
    np.testing.assert_array_equal(picture, draw_pose(GREY, [[100, 60]], [True], [], [0.0]))


def test_dense_points_stay_apart() -> None:
    """68 points on a face of 200 pixels: between most neighbours the picture is still seen."""
    image = np.full((600, 800, 3), 128, np.uint8)
    columns, rows = np.meshgrid(np.arange(9), np.arange(8))
    grid = np.stack([columns.ravel(), rows.ravel()], 1)[:68] * 22.0 + 300
    picture = draw_pose(image, grid, np.ones(68, bool), [])
    assert (picture[300 + 11, 300:476] == 128).all()  # between two rows
    assert (picture[300, 300 + 11 : 476 : 22] == 128).all()  # between two points


def test_box_is_drawn_unless_it_is_the_whole_image() -> None:
    alone = draw_pose(GREY, [[100, 60]], [True], [])
    boxed = draw_pose(GREY, [[100, 60]], [True], [], box=[60, 30, 80, 60]).astype(int)
    assert np.abs(boxed[30, 70:130] - 128).max(1).min() > 80  # its upper edge
    assert (boxed[:25] == 128).all()
    whole = draw_pose(GREY, [[100, 60]], [True], [], box=[0, 0, 199, 119])
    np.testing.assert_array_equal(whole, alone)


def test_labels_lie_beside_their_points_and_inside() -> None:
    image = np.full((300, 400, 3), 128, np.uint8)
    points = [[5, 5], [395, 295], [200, 150]]
    without = draw_pose(image, points, np.ones(3, bool), [])
    picture = draw_pose(image, points, np.ones(3, bool), [], labels=["left", "right", "middle"])
    changed = np.argwhere((picture != without).any(2))[:, ::-1]
    apart = np.linalg.norm(changed[:, None] - np.array(points), axis=2)
    assert apart.min(1).max() < 80
    for k in range(3):
        assert (apart.argmin(1) == k).sum() > 50
        x, y = points[k]
        assert picture[y, x].tolist() == palette(3)[k].tolist()  # not written over


def test_labels_that_the_font_lacks_become_numbers() -> None:
    assert labels_of(3, ["eye", "\u8033", "a\tb"]) == ["eye", "1", "2"]
    assert labels_of(2, None) == ["0", "1"]


def test_legend_says_what_hollow_means_in_a_free_corner() -> None:
    image = np.full((400, 600, 3), 128, np.uint8)
    low_left = [[30, 380], [60, 390], [300, 100]]
    sure = draw_pose(image, low_left, np.ones(3, bool), [], np.ones(3), legend=score_legend())
    np.testing.assert_array_equal(sure, draw_pose(image, low_left, np.ones(3, bool), []))
    score = [0.2, 0.9, 0.9]
    unsure = draw_pose(image, low_left, np.ones(3, bool), [], score, legend=score_legend())
    without = draw_pose(image, low_left, np.ones(3, bool), [], score)
    changed = np.argwhere((unsure != without).any(2))
    assert changed[:, 0].min() > 300  # in the other lower corner
    assert changed[:, 1].min() > 300
    tiny = np.full((40, 60, 3), 128, np.uint8)
    assert draw_pose(tiny, [[30, 20]], [True], [], [0.1], legend=score_legend()).shape == tiny.shape


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


def test_a_small_object_is_shown_close_up_and_sharp() -> None:
    image = np.full((480, 640, 3), 128, np.uint8)
    image[200:240, 500:530] = 10
    title, picture = pose_panel("a.jpg", image, [[515, 220]], [True], [], box=[500, 200, 30, 40])
    assert title == "a.jpg (close-up)"
    assert picture.shape == (360, 360, 3)
    dark = (picture == 10).all(2)  # the object, without the point on it: two thirds of the side are 40 pixels
    assert 0.2 < dark.mean() < 2 / 3 * 0.5
    assert picture[180, 180].tolist() == palette(1)[0].tolist()
    title, picture = pose_panel("a.jpg", image, [[515, 220]], [True], [], box=[100, 50, 430, 300])
    assert title == "a.jpg"
    assert picture.shape == (360, 480, 3)


@pytest.mark.parametrize("shape", [(40, 30), (8, 9), (31, 4000), (3000, 200), (2000, 3000)])
def test_panels_of_pictures_of_any_size(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 128, np.uint8)
    panels = [
        pose_panel(
            "title", image, [[1, 1], [3, 4]], [True, True], [[0, 1]], [0.1, 1], box=box, labels=["0", "1"]
        )
        for box in (None, [0, 0, 3, 4], [0, 0, shape[1] - 1, shape[0] - 1])
    ]
    sheet = draw_sheet(panels)
    assert sheet.shape[0] == 360 + 38
    assert sheet.shape[1] <= 3 * (720 + 16)


def test_long_titles_stay_over_their_picture() -> None:
    narrow = np.full((100, 40, 3), 128, np.uint8)
    sheet = draw_sheet([("a very long file name.jpg", narrow), ("", narrow)], height=100)
    assert (sheet[:30, 109:] == 245).all()
    assert (sheet[80, 38:78] == 128).all()  # the picture in the middle of its tile


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
