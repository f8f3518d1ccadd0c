# SPDX-License-Identifier: Apache-2.0
"""Where a search puts its boxes: peaks of maps to places, keypoints to boxes, frames to canvases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime import PoseEstimator, Support, find
from fmmp_runtime.bundle.specs import SearchSpec
from fmmp_runtime.find import Place
from fmmp_runtime.pose import transform_points
from fmmp_runtime.pose.answer import Pose
from fmmp_runtime.support_state import Sought
from tests.fakes.bundle import write_bundle

SEARCH = SearchSpec(
    box_sides=[0.25, 0.5], mirrored=[False, True], mirror_peak=0.1, mirror_presence=1.0, calibrated=True
)
PLACE = Place(middle=(100.0, 60.0), side=40.0, mirrored=False, peak=1.0)


def maps(*peaks: tuple[int, int, int, int, float]) -> list[np.ndarray]:
    """Maps of 16 and 8 cells, 0 but for peaks (level, view, row, column, value)."""
    fits = [np.zeros((1, 2, n, n), np.float32) for n in (16, 8)]
    for level, view, row, column, value in peaks:
        fits[level][0, view, row, column] = value
    return fits


def test_a_peak_is_the_middle_of_a_box_in_pixels_of_the_frame() -> None:
    first, second = find.places(maps((0, 0, 3, 5, 0.9), (1, 0, 1, 6, 0.8)), SEARCH, (240, 320), 2)
    assert first.middle == (5.5 * 20, 3.5 * 20)  # 320 pixels are 16 cells
    assert first.side == 0.25 * 320
    assert second.middle == (6.5 * 40, 1.5 * 40)
    assert second.side == 0.5 * 320
    assert [first.peak, second.peak] == pytest.approx([0.9, 0.8])


def test_outside_of_the_frame_nothing_is_found() -> None:
    (first, *_) = find.places(maps((0, 0, 14, 5, 0.9), (0, 0, 3, 3, 0.5)), SEARCH, (240, 320), 3)
    assert first.middle == (70, 70)


def test_a_peak_beside_a_better_one_is_the_same_place() -> None:
    fits = maps((0, 0, 5, 5, 0.9), (0, 0, 5, 6, 0.9), (0, 0, 12, 12, 0.7))
    found = find.places(fits, SEARCH, (320, 320), 2)
    assert [place.middle for place in found] == [(110, 110), (250, 250)]


def test_a_mirrored_view_must_fit_better_and_is_a_place_of_its_own() -> None:
    fits = maps((0, 0, 5, 5, 0.9), (0, 1, 5, 5, 0.95))
    assert [place.mirrored for place in find.places(fits, SEARCH, (320, 320), 2)] == [False, True]
    fits[0][0, 1, 5, 5] = 1.1
    assert find.places(fits, SEARCH, (320, 320), 1)[0].mirrored


def test_a_mirrored_place_is_seen_turned_over() -> None:
    corners = [[80, 40], [120, 40]]  # left and right upper corner of the place
    plain = transform_points(corners, PLACE.matrix(250, 1.25))
    np.testing.assert_allclose(plain, [[25, 25], [225, 25]])
    mirrored = transform_points(corners, replace(PLACE, mirrored=True).matrix(250, 1.25))
    np.testing.assert_allclose(mirrored, [[225, 25], [25, 25]])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2])
def test_the_box_goes_with_the_keypoints(mirrored: bool, quarters: int) -> None:
    rng = np.random.default_rng(0)
    outline = rng.uniform(-0.5, 0.5, (6, 2)) * [1, 0.5]
    sought = Sought(tensors={}, outline=outline, box_size=np.array([1, 0.5]))
    seen = outline * ([-1, 1] if mirrored else [1, 1])
    for _ in range(quarters):
        seen = np.column_stack([-seen[:, 1], seen[:, 0]])
    keypoints = seen * 50 + [110, 70]
    score = np.array([1, 1, 0.5, 1, 1, 0])
    keypoints[5] += 1000  # counts nothing
    at, box = find.refit(replace(PLACE, mirrored=mirrored), keypoints, score, sought)
    np.testing.assert_allclose(at.middle, [110, 70])
    assert at.side == pytest.approx(50)
    size = [50, 25] if quarters % 2 == 0 else [25, 50]
    np.testing.assert_allclose(box, [110 - size[0] / 2, 70 - size[1] / 2, *size])


@pytest.mark.parametrize("count", [1, 3])
def test_keypoints_in_one_place_move_the_box_and_keep_its_size(count: int) -> None:
    sought = Sought(tensors={}, outline=np.full((count, 2), 0.25), box_size=np.ones(2))
    at, box = find.refit(PLACE, np.full((count, 2), 50.0), np.ones(count), sought)
    np.testing.assert_allclose([*at.middle, at.side], [40, 40, 40])
    np.testing.assert_allclose(box, [20, 20, 40, 40])


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (1, 700), (3, 2), (5000, 6000)])
def test_any_frame_lies_on_the_canvas(size: tuple[int, int]) -> None:
    canvas, extent = find.lay(np.full((*size, 3), 200, np.uint8), 640)
    assert canvas.shape == (1, 640, 640, 3)
    filled = (canvas[0] == 200).all(-1)
    expected = [max(round(side * 640 / max(size)), 1) for side in size]
    assert [filled.any(1).sum(), filled.any(0).sum()] == expected
    np.testing.assert_allclose(extent[0] * 640, expected)


def test_of_two_poses_of_one_object_the_more_probable_stays() -> None:
    def pose(presence: float, x: float) -> Pose:
        box = np.array([x, 0, 40, 40])
        nothing = np.zeros((0, 2))
        return Pose(
            keypoints=nothing,
            score=np.zeros(0),
            links=nothing.astype(np.int64),
            known=np.zeros(0, np.bool_),
            box=box,
            presence=presence,
        )

    seen = [(PLACE, pose(0.6, 0)), (PLACE, pose(0.9, 5)), (replace(PLACE, mirrored=True), pose(0.7, 200))]
    assert [each.presence for _, each in find.best(seen, SEARCH, 3)] == [0.9, 0.7]
    seen.append((PLACE, pose(0.6, 210)))  # likelier than the mirrored one, of which a logit of 1 is taken
    assert [each.presence for _, each in find.best(seen, SEARCH, 3)] == [0.9, 0.6]


def test_a_bundle_without_a_search_says_so(tmp_path: Path) -> None:
    estimator = PoseEstimator(write_bundle(tmp_path / "old"))
    image = np.zeros((64, 64, 3), np.uint8)
    state = estimator.remember([Support(image, [[10, 10], [40, 40]])])
    with pytest.raises(ValueError, match=r"has no search graph.*export it again, or give a box"):
        estimator.find(image, state)
    assert np.isnan(estimator.locate(image, state).presence)
