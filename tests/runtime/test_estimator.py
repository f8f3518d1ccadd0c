# SPDX-License-Identifier: Apache-2.0
"""PoseEstimator on a network that answers the support keypoints, so that every answer is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fmmp_runtime import Pose, PoseEstimator, Support
from fmmp_runtime.backends import BackendError
from fmmp_runtime.media.image import ImageError
from fmmp_runtime.pose import (
    BoxError,
    KeypointError,
    LinkError,
    Structure,
    pad_keypoints,
    reference_index,
)
from tests.fakes.bundle import HEADS, KEYPOINTS, PADDING, SIZE, write_bundle

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)  # height and width differ
POINTS = np.array([[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]])
LINKS = [[0, 1], [1, 2], [2, 3]]
BOX = [20.0, 10.0, 91.0, 71.0]
SUPPORT = Support(IMAGE, POINTS, LINKS, box=BOX)
FLOAT32 = (
    2e-5  # pixels: coordinates below 1 rounded to float32 (2^-25) a few times, on crops of up to 250 pixels
)


@pytest.fixture(scope="module")
def estimator(bundle: Path) -> PoseEstimator:
    return PoseEstimator(bundle, threads=1)


@pytest.fixture(scope="module")
def three_shots(three_shot_bundle: Path) -> PoseEstimator:
    return PoseEstimator(three_shot_bundle, threads=1)


def test_same_box_gives_the_same_points(estimator: PoseEstimator) -> None:
    pose = estimator.locate(IMAGE, estimator.remember([SUPPORT]), BOX)
    assert isinstance(pose, Pose)
    np.testing.assert_allclose(pose.keypoints, POINTS, rtol=0, atol=FLOAT32)
    assert pose.links.tolist() == LINKS
    assert pose.known.all()
    assert pose.box.tolist() == [20, 10, 90, 70]  # sanitised: the far corner is the last pixel


@given(
    st.floats(0, 60),
    st.floats(0, 40),
    st.floats(20, 120),
    st.floats(20, 90),
    st.integers(40, 400),
    st.integers(40, 400),
)
def test_points_move_with_the_box(
    bundle: Path, x: float, y: float, w: float, h: float, width: int, height: int
) -> None:
    """Crops are square by the longer side: a point keeps its place relative to the middle of the box."""
    estimator = PoseEstimator(bundle, threads=1)
    w, h = min(w, width - x), min(h, height - y)
    if min(w, h) < 3:
        return
    pose = estimator.locate(
        np.zeros((height, width, 3), np.uint8), estimator.remember([SUPPORT]), [x, y, w, h]
    )
    middle, side = np.array([x + (w - 1) / 2, y + (h - 1) / 2]), max(w - 1, h - 1)
    expected = middle + (POINTS - [65, 45]) / 90 * side
    np.testing.assert_allclose(pose.keypoints, expected, rtol=0, atol=FLOAT32 * max(side / 90, 1))


def test_whole_image_without_a_box(estimator: PoseEstimator) -> None:
    pose = estimator.locate(IMAGE, estimator.remember([SUPPORT]))
    assert pose.box.tolist() == [0, 0, 139, 89]


def test_support_graph_sees_crop_padding_and_structure(estimator: PoseEstimator) -> None:
    state = estimator.remember([replace(SUPPORT, visible=[True, False, True, True])])
    side = 90 * PADDING
    crop_points = (POINTS - [65, 45]) / side + 0.5
    crop_points[1] = -np.array([65, 45]) / side + 0.5  # hidden: at pixel (0, 0)
    padded, shown, chains = pad_keypoints(crop_points, [True, False, True, True], LINKS, KEYPOINTS)
    np.testing.assert_array_equal(state.tensors["state_visible"][0, 0], shown)
    expected = np.where(shown[:, None], padded, 0)  # the fake network's mean leaves hidden points out
    np.testing.assert_allclose(state.tensors["state_mean"][0], expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(
        state.tensors["state_reference_index"][0, 0], reference_index(shown, chains, HEADS)
    )
    zoom = SIZE / side
    matrix = np.array([[zoom, 0, SIZE / 2 - 65 * zoom], [0, zoom, SIZE / 2 - 45 * zoom]])
    np.testing.assert_array_equal(
        state.tensors["state_support"][0, 0], cv2.warpAffine(IMAGE, matrix, (SIZE, SIZE))
    )


@pytest.mark.parametrize("hidden", [(20.0, 30.0), (1e30, -1e30), (np.nan, np.inf)])
def test_where_a_hidden_keypoint_lies_does_not_matter(
    estimator: PoseEstimator, hidden: tuple[float, float]
) -> None:
    visible = [True, False, True, True]
    expected = estimator.remember([replace(SUPPORT, visible=visible)])
    moved = POINTS.copy()
    moved[1] = hidden
    state = estimator.remember([replace(SUPPORT, keypoints=moved, visible=visible)])
    for name, tensor in expected.tensors.items():
        np.testing.assert_array_equal(state.tensors[name], tensor, err_msg=name)


def test_score_comes_from_the_graph_and_is_zero_for_the_unknown(estimator: PoseEstimator) -> None:
    state = estimator.remember([replace(SUPPORT, visible=[True, False, True, True])])
    grey = np.full((200, 200, 3), 102, np.uint8)
    pose = estimator.locate(grey, state, [50, 50, 80, 80])
    np.testing.assert_allclose(pose.score, [0.4, 0, 0.4, 0.4], rtol=1e-6)  # 102 / 255; one float32 division
    assert pose.known.tolist() == [True, False, True, True]


def test_support_box_around_the_points(estimator: PoseEstimator) -> None:
    """Extent 70 x 50 from (30, 20), a tenth of 70 on every side; the crop's middle is that of the extent."""
    state = estimator.remember([replace(SUPPORT, box=None)])
    expected = (POINTS - [65, 45]) / (84 * PADDING) + 0.5
    np.testing.assert_allclose(state.tensors["state_mean"][0, :4], expected, rtol=0, atol=1e-6)


def test_margin_ends_at_the_border(estimator: PoseEstimator) -> None:
    points = POINTS - [29, 19]  # from (1, 1): the margin of 7 is cut to 1
    state = estimator.remember([replace(SUPPORT, keypoints=points, box=None)])
    expected = (points - [39, 29]) / (78 * PADDING) + 0.5  # box from 0 to 78 and 0 to 58
    np.testing.assert_allclose(state.tensors["state_mean"][0, :4], expected, rtol=0, atol=1e-6)


def test_one_point_looks_at_the_whole_support(estimator: PoseEstimator) -> None:
    state = estimator.remember([Support(IMAGE, [[30, 20]])])
    expected = (np.array([30, 20]) - [69.5, 44.5]) / (139 * PADDING) + 0.5
    np.testing.assert_allclose(state.tensors["state_mean"][0, 0], expected, rtol=0, atol=1e-6)
    assert state.links.shape == (0, 2)


def test_missing_links_become_a_tree_and_a_note(estimator: PoseEstimator) -> None:
    state = estimator.remember([replace(SUPPORT, links=None)])
    assert state.links.tolist() == [[0, 3], [1, 2], [2, 3]]
    assert state.notes == (
        "no links given: joined the keypoints by the shortest tree, [[0, 3], [1, 2], [2, 3]]",
    )
    assert estimator.remember([SUPPORT]).notes == ()
    no_links: list[list[int]] = []
    assert estimator.remember([replace(SUPPORT, links=no_links)]).links.shape == (0, 2)  # none wanted


def test_fewer_supports_than_shots_leave_hidden_places_in_front(three_shots: PoseEstimator) -> None:
    second = replace(SUPPORT, keypoints=POINTS + 4, visible=[True, True, False, True])
    state = three_shots.remember([SUPPORT, second])
    assert state.shots == 2
    assert state.tensors["state_visible"][0].any(1).tolist() == [False, True, True]
    assert not state.tensors["state_support"][0, 0].any()
    np.testing.assert_array_equal(
        state.tensors["state_reference_index"][0, 0], np.arange(KEYPOINTS)[:, None] + [0] * 3
    )
    given = state.tensors["state_keypoints"][0]
    np.testing.assert_allclose(given[0], given[1:].mean(0), rtol=0, atol=1e-7)  # moves no mean, hidden or not
    pose = three_shots.locate(IMAGE, state, BOX)
    expected = POINTS + np.array([[2, 2], [2, 2], [0, 0], [2, 2]])  # mean over the two that show it
    np.testing.assert_allclose(pose.keypoints, expected, rtol=0, atol=FLOAT32)


def test_order_and_number_of_shots(three_shots: PoseEstimator) -> None:
    supports = [replace(SUPPORT, keypoints=POINTS + shift) for shift in (0, 3, 6)]
    state = three_shots.remember(supports)
    pose = three_shots.locate(IMAGE, state, BOX)
    np.testing.assert_allclose(pose.keypoints, POINTS + 3, rtol=0, atol=FLOAT32)


def test_tree_comes_from_the_support_that_shows_most(three_shots: PoseEstimator) -> None:
    first = replace(SUPPORT, links=None, visible=[True, True, False, False])
    state = three_shots.remember([first, replace(SUPPORT, links=None)])
    assert state.links.tolist() == [[0, 3], [1, 2], [2, 3]]
    assert state.known.all()


@pytest.mark.parametrize("supports", [None, SUPPORT, [None], 5])
def test_what_is_no_list_of_supports_is_named(estimator: PoseEstimator, supports: object) -> None:
    with pytest.raises(ValueError, match="remember takes a list of Support, got"):
        estimator.remember(supports)  # type: ignore[arg-type]  # what a caller without types may do


def test_box_that_leaves_a_keypoint_outside_is_widened(estimator: PoseEstimator) -> None:
    """Field row 23; on a published data set (not strict) boxes stay as they are."""
    low, high = POINTS.min(0), POINTS.max(0)
    tight = [*low, *(high - low + 1)]
    short = [*low, high[0] - low[0] + 1, high[1] - low[1] - 5]
    state = estimator.remember([replace(SUPPORT, box=short)])
    assert len(state.notes) == 1
    assert "visible keypoints outside: widened to" in state.notes[0]
    expected = estimator.remember([replace(SUPPORT, box=tight)])
    assert expected.notes == ()
    for name, tensor in expected.tensors.items():
        np.testing.assert_array_equal(state.tensors[name], tensor)
    assert estimator.remember([replace(SUPPORT, box=short)], strict=False).notes == ()


def test_links_of_one_support_hold_for_all(three_shots: PoseEstimator) -> None:
    assert three_shots.remember([replace(SUPPORT, links=None), SUPPORT]).links.tolist() == LINKS


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"keypoints": np.full((13, 2), 5.0)}, KeypointError, "13 keypoints do not fit: this model takes 12"),
        ({"keypoints": [[1, np.nan]]}, KeypointError, "support 0: keypoint 0 is not finite"),
        ({"keypoints": POINTS[:, 0]}, KeypointError, r"support 0: .*got shape \(4,\)"),
        ({"keypoints": [[1, 2], [3]]}, ValueError, "support 0: .*inhomogeneous"),
        (
            {"keypoints": POINTS + 100},
            KeypointError,
            r"keypoint 0 .* outside the 140 x 90 image \(4 of 4 do\)",
        ),
        ({"visible": [False] * 4}, KeypointError, "none of 4 keypoints is visible"),
        ({"visible": [True] * 3}, KeypointError, r"visible must be \(4,\)"),
        ({"links": [[0, 4]]}, LinkError, r"link 0, \[0, 4\], is out of range"),
        ({"links": [[1, 1]]}, LinkError, "joins a keypoint to itself"),
        ({"links": [[0, 1], [1, 0]]}, LinkError, "is there twice"),
        ({"box": [500, 500, 20, 20]}, BoxError, "support 0: box .* lies outside the 140 x 90 image"),
        ({"box": [-50, 0, 40, 20]}, BoxError, "lies outside"),
        ({"box": [0, 0, 0, 20]}, BoxError, "lies outside"),
        ({"box": [0, 0, 10**400, 20]}, BoxError, "support 0: a box must be numbers"),
        ({"box": [0, 0, 15, 15]}, BoxError, r"leaves [34] of 4 visible keypoints outside: is it x, y, width"),
        ({"keypoints": POINTS / (140, 90)}, KeypointError, "support 0: the coordinates look normalised"),
        ({"keypoints": None}, KeypointError, "support 0: keypoints must be"),
        ({"keypoints": [[10**400, 1]]}, KeypointError, "support 0: keypoints must be numbers"),
        ({"keypoints": [["a", 1]]}, KeypointError, "support 0: keypoints must be numbers"),
        ({"image": IMAGE[..., 0]}, ImageError, r"support 0: image must be RGB uint8"),
        ({"image": IMAGE[:1, :1]}, ImageError, "1 x 1 pixels"),
    ],
)
def test_fault_of_a_support_is_named(
    estimator: PoseEstimator, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        estimator.remember([replace(SUPPORT, **changes)])


def test_faults_of_data_sets_pass_when_asked(estimator: PoseEstimator) -> None:
    """A link that is there twice gets twice as many padded points, as in the released code."""
    twice = [*LINKS, [1, 0]]
    points = POINTS + np.array([0, 25])  # two of them below the image
    state = estimator.remember([replace(SUPPORT, keypoints=points, links=twice)], strict=False)
    np.testing.assert_allclose(estimator.locate(IMAGE, state, BOX).keypoints, points, rtol=0, atol=FLOAT32)
    padded, shown, chains = pad_keypoints(
        (points - [65, 45]) / (90 * PADDING) + 0.5, [True] * 4, twice, KEYPOINTS
    )
    np.testing.assert_allclose(state.tensors["state_mean"][0], padded, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(
        state.tensors["state_reference_index"][0, 0], reference_index(shown, chains, HEADS)
    )


def test_number_of_supports(estimator: PoseEstimator, three_shots: PoseEstimator) -> None:
    with pytest.raises(ValueError, match="takes 1 to 1 supports, got 2: fmmp-export --shots N"):
        estimator.remember([SUPPORT] * 2)
    with pytest.raises(ValueError, match="takes 1 to 3 supports, got 0"):
        three_shots.remember([])


def test_supports_must_agree(three_shots: PoseEstimator) -> None:
    with pytest.raises(KeypointError, match=r"must have the same keypoints, got \[4, 3\]"):
        three_shots.remember([SUPPORT, replace(SUPPORT, keypoints=POINTS[:3], links=LINKS[:2])])
    with pytest.raises(LinkError, match="different links"):
        three_shots.remember([SUPPORT, replace(SUPPORT, links=LINKS[:2])])
    with pytest.raises(KeypointError, match="support 1: none of 4"):
        three_shots.remember([SUPPORT, replace(SUPPORT, visible=[False] * 4)])


@pytest.mark.parametrize("box", [[500, 0, 20, 20], [0, 0, 20, -1], [0, np.nan, 20, 20], [0, 0, 20]])
def test_fault_of_a_query_box_is_named(estimator: PoseEstimator, box: list[float]) -> None:
    with pytest.raises(BoxError, match="box"):
        estimator.locate(IMAGE, estimator.remember([SUPPORT]), box)


@pytest.mark.parametrize("frame", [IMAGE[..., 0], IMAGE.astype(np.float32), IMAGE[:0]])
def test_fault_of_a_frame_is_named(estimator: PoseEstimator, frame: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match="frame"):
        estimator.locate(frame, estimator.remember([SUPPORT]))


def test_state_of_another_bundle_is_refused(estimator: PoseEstimator, three_shots: PoseEstimator) -> None:
    with pytest.raises(ValueError, match=r"was remembered with .*three-shot, not with .*one-shot"):
        estimator.locate(IMAGE, three_shots.remember([SUPPORT]))


def test_state_outlives_its_estimator(bundle: Path, estimator: PoseEstimator) -> None:
    state = PoseEstimator(bundle, threads=1).remember([SUPPORT])
    np.testing.assert_allclose(estimator.locate(IMAGE, state, BOX).keypoints, POINTS, rtol=0, atol=FLOAT32)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    estimator = PoseEstimator(write_bundle(tmp_path / "nan", nan=True), threads=1)
    with pytest.raises(BackendError, match=r"nan gave numbers that are not finite \(fp32\)"):
        estimator.locate(IMAGE, estimator.remember([SUPPORT]))


def test_arguments_are_left_as_they_were(estimator: PoseEstimator) -> None:
    image, points = IMAGE.copy(), POINTS.copy()
    estimator.locate(image, estimator.remember([replace(SUPPORT, image=image, keypoints=points)]))
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(points, POINTS)


def one_that_needs_every_support(folder: Path, **reads: Any) -> PoseEstimator:  # noqa: ANN401
    return PoseEstimator(write_bundle(folder, shots=4, shown_by="every", padding="zero", **reads), threads=1)


@pytest.mark.parametrize("structure", ["adjacency", None])
def test_hidden_keypoints_fill_up_and_links_come_as_the_bundle_says(
    tmp_path: Path, structure: Structure | None
) -> None:
    estimator = one_that_needs_every_support(tmp_path / "bundle", structure=structure)
    state = estimator.remember([SUPPORT])
    assert state.tensors["state_visible"][0].tolist() == [[True] * 4 + [False] * (KEYPOINTS - 4)] * 4
    assert ("state_adjacency" in state.tensors) == (structure == "adjacency")
    if structure:
        linked = state.tensors["state_adjacency"][0]
        assert np.argwhere(linked[0]).tolist() == [[0, 1], [1, 0], [1, 2], [2, 1], [2, 3], [3, 2]]
        assert (linked == linked[0]).all()
    pose = estimator.locate(IMAGE, state, BOX)
    np.testing.assert_allclose(pose.keypoints, POINTS, rtol=0, atol=FLOAT32)


def test_supports_are_repeated_where_every_one_must_show_a_keypoint(tmp_path: Path) -> None:
    estimator = one_that_needs_every_support(tmp_path / "bundle", structure=None)
    second = replace(SUPPORT, keypoints=POINTS + 4, visible=[True, True, False, True])
    state = estimator.remember([SUPPORT, second])
    assert state.shots == 2
    assert state.tensors["state_visible"][0, :, :4].all(1).tolist() == [True, False, True, False]
    for name in ("state_support", "state_keypoints"):
        np.testing.assert_array_equal(state.tensors[name][0, :2], state.tensors[name][0, 2:])
    assert state.known.tolist() == [True, True, False, True]
    assert state.notes == ("not shown by every support, as this model needs it, so not looked for: [2]",)
    pose = estimator.locate(IMAGE, state, BOX)
    np.testing.assert_allclose(pose.keypoints[:2], POINTS[:2] + 2, rtol=0, atol=FLOAT32)
    assert (pose.score > 0).tolist() == state.known.tolist()
    with pytest.raises(ValueError, match="takes 1 or 2 or 4 supports, got 3"):
        estimator.remember([SUPPORT] * 3)
    apart = [
        replace(SUPPORT, visible=[True, True, False, False]),
        replace(SUPPORT, visible=[False, False, True, True]),
    ]
    with pytest.raises(KeypointError, match="none of 4 is shown by all 2 supports"):
        estimator.remember(apart)
    assert not estimator.remember(apart, strict=False).known.any()  # as in a published data set


def test_weights_for_one_number_of_keypoints_say_so(tmp_path: Path) -> None:
    many = Support(IMAGE, np.random.default_rng(0).uniform(5, 85, (KEYPOINTS + 1, 2)))
    for fixed, says in (
        (True, "weights are made for so many: leave some out"),
        (False, "--keypoints 13 makes"),
    ):
        estimator = PoseEstimator(write_bundle(tmp_path / str(fixed), fixed_keypoints=fixed), threads=1)
        with pytest.raises(KeypointError, match=f"13 keypoints do not fit: this model takes 12; .*{says}"):
            estimator.remember([many])
