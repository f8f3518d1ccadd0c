# SPDX-License-Identifier: Apache-2.0
import numpy as np
import numpy.typing as npt
import pytest

from fmmp_train.data.examples.augment import (
    Augmentation,
    View,
    blur,
    cut,
    disturb,
    draw_placement,
    flip,
    mirror_pairs,
    occlude,
    recolour,
)
from tests.train.data import dots

POINTS = np.array([[60.0, 40.0], [120.0, 50.0], [90.0, 110.0]])
BOX = (45, 30, 90, 95)


def view(scale: float = 1.0, rotation_deg: float = 0.0) -> View:
    image = dots.draw((150, 200), POINTS)
    return cut(image, BOX, POINTS, np.ones(3, np.bool_), 128, scale=scale, rotation_deg=rotation_deg)


# Dots are a dozen pixels wide; smooth edges and bilinear warping move their centre by less than half a one.
DOT = 0.5


@pytest.mark.parametrize(("scale", "rotation"), [(1, 0), (0.85, 20), (1.15, -30), (1, 90)])
def test_keypoints_follow_the_crop(scale: float, rotation: float) -> None:
    cropped = view(scale, rotation)
    assert cropped.visible.all()
    np.testing.assert_allclose(dots.find(cropped.image, 3), cropped.keypoints_px, rtol=0, atol=DOT)


def test_rotation_is_counter_clockwise_and_scale_shrinks() -> None:
    def spread(v: View) -> npt.NDArray[np.float32]:
        step: npt.NDArray[np.float32] = v.keypoints_px[1] - v.keypoints_px[0]  # to the right, a little down
        return step

    assert spread(view(1, 90))[1] < -0.9 * np.linalg.norm(spread(view()))  # now up
    np.testing.assert_allclose(spread(view(1.25)), spread(view()) / 1.25, rtol=1e-5)


def test_points_outside_the_crop_are_hidden() -> None:
    cropped = cut(dots.draw((150, 200), POINTS), (50, 30, 20, 20), POINTS, np.array([True, True, False]), 128)
    assert cropped.visible.tolist() == [True, False, False]


def test_flip_moves_the_points_too() -> None:
    cropped = view()
    mirrored = flip(cropped)
    np.testing.assert_allclose(dots.find(mirrored.image, 3), mirrored.keypoints_px, rtol=0, atol=DOT)
    np.testing.assert_array_equal(flip(mirrored).image, cropped.image)
    swapped = flip(cropped._replace(visible=np.array([True, False, True])), pairs=[(0, 1)])
    np.testing.assert_array_equal(swapped.keypoints_px, mirrored.keypoints_px[[1, 0, 2]])
    assert swapped.visible.tolist() == [False, True, True]


def test_mirror_pairs_read_names() -> None:
    names = ["nose", "left_eye", "Right Eye", "L-paw", "r_paw", "left ear", "upright bar", "leftover"]
    assert mirror_pairs(names) == [(1, 2), (3, 4)]
    assert mirror_pairs([]) == []


def test_placement_is_that_of_the_released_training() -> None:
    rng = np.random.default_rng(0)
    scale, rotation = np.array([draw_placement(rng, Augmentation()) for _ in range(4000)]).T
    assert scale.min() == pytest.approx(0.85) and scale.max() == pytest.approx(1.15)  # noqa: PT018  # one claim
    assert abs(rotation).max() == pytest.approx(30)
    assert np.mean(rotation == 0) == pytest.approx(0.4, abs=0.03)  # 4 standard errors of 4000 draws
    # A normal deviate of 15 degrees, cut at two deviations: 0.88 times as wide (its variance is 0.774).
    assert rotation[rotation != 0].std() == pytest.approx(15 * 0.925, rel=0.05)


@pytest.mark.parametrize("hide", [True, False])
def test_patches_hide_what_they_cover(hide: bool) -> None:
    cropped = view()
    covered = 0
    for seed in range(60):
        patched = occlude(cropped, np.random.default_rng(seed), hide=hide)
        changed = (patched.image != cropped.image).any(2)
        x, y = np.rint(cropped.keypoints_px).astype(int).T
        covered += int(changed[y, x].sum())
        if hide:
            assert not (patched.visible & changed[y, x]).any()
        else:
            assert patched.visible.all()
        np.testing.assert_array_equal(patched.keypoints_px, cropped.keypoints_px)
    assert covered > 5  # the test has seen some


def test_looks_change_and_nothing_moves() -> None:
    cropped = view()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        for changed in (recolour(cropped.image, rng, 0.15), blur(cropped.image, rng)):
            assert changed.shape == cropped.image.shape and changed.dtype == np.uint8  # noqa: PT018
            assert (changed != cropped.image).any()
            # A blur mixes dots with the grey around them evenly.
            np.testing.assert_allclose(dots.find(changed, 3), cropped.keypoints_px, rtol=0, atol=1.0)


def test_support_keeps_a_visible_point() -> None:
    only = view()._replace(visible=np.array([True, False, False]))
    strong = Augmentation(patch_chance=1.0)
    for seed in range(200):
        assert disturb(only, np.random.default_rng(seed), strong, is_support=True).visible.any()
