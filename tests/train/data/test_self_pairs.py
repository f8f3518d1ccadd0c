# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from fmmp_train.data.examples.augment import PLAIN
from fmmp_train.data.examples.bend import apply_bend, draw_bend
from fmmp_train.data.examples.self_pairs import SelfPairSource, draw_landmarks, draw_region
from tests.train.data import dots


def photograph(seed: int = 0, shape: tuple[int, int] = (180, 240)) -> np.ndarray:
    """Smooth coloured noise with edges."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, shape[::-1], interpolation=cv2.INTER_NEAREST))


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_bend_and_its_inverse(strength: float) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        bend = draw_bend(
            rng, np.array([90.0, 70.0]), 100.0, 128, strength=strength, scale=1.1, rotation_deg=25
        )
        points = rng.uniform(0, 128, (30, 2))
        found = bend.view_of(bend.source_of(points), np.full((30, 2), 64.0))
        np.testing.assert_allclose(found, points, rtol=0, atol=0.05)  # Newton stops within 0.01 source pixels


def test_without_strength_it_is_the_similarity() -> None:
    rng = np.random.default_rng(0)
    bend = draw_bend(rng, np.array([50.0, 40.0]), 64.0, 128, strength=0, scale=1, rotation_deg=90)
    # 128 pixels show 64; a quarter turn counter-clockwise brings what was right of the middle above it.
    np.testing.assert_allclose(bend.source_of(np.array([64.0, 24.0])), [70, 40], atol=1e-9)


def test_dots_are_found_where_the_inverse_says() -> None:
    points = np.array([[70.0, 60.0], [130.0, 70.0], [100.0, 120.0], [150.0, 130.0]])
    image, seen = dots.draw((180, 240), points, radius=5), 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        bend = draw_bend(rng, points.mean(0), 130.0, 128, strength=1, scale=1, rotation_deg=15)
        expected = bend.view_of(points, np.full((4, 2), 64.0))
        whole = ((expected > 6) & (expected < 121)).all(1)
        found = dots.find(apply_bend(image, bend, 128), 4)
        # Bending stretches a dot of ten pixels more on one side than on the other.
        np.testing.assert_allclose(found[whole], expected[whole], rtol=0, atol=0.8)
        seen += whole.sum()
    assert seen > 20


@pytest.mark.parametrize("count", [4, 20, 68])
def test_landmarks_lie_apart_in_their_region(count: int) -> None:
    import cv2

    image = photograph()
    region = draw_region(np.array([120.0, 90.0]), 80.0, np.random.default_rng(1))
    points = draw_landmarks(image, count, region, np.random.default_rng(2))
    assert 0.7 * count <= len(points) <= count
    gaps = np.linalg.norm(points[:, None] - points, axis=2) + 1e9 * np.eye(len(points))
    assert gaps.min() > 4
    outline = region.astype(np.float32)
    assert all(cv2.pointPolygonTest(outline, (float(x), float(y)), True) > -1.5 for x, y in points)


def test_views_show_the_same_landmarks() -> None:
    """Undisturbed views of random noise: patches around a landmark look alike, elsewhere not."""
    source = SelfPairSource([photograph(3, (400, 400))], PLAIN, strength=0.0)
    alike, other = [], []
    for seed in range(12):
        support, query = source.draw(np.random.default_rng(seed), 1, 128).views
        shown = support.visible & query.visible
        a, b = (v.keypoints_px[shown].round().astype(int).clip(3, 124) for v in (support, query))
        for (xa, ya), (xb, yb), (xc, yc) in zip(a, b, np.roll(b, 1, 0), strict=True):
            patch = support.image[ya - 2 : ya + 3, xa - 2 : xa + 3].astype(float)
            alike.append(np.abs(patch - query.image[yb - 2 : yb + 3, xb - 2 : xb + 3]).mean())
            other.append(np.abs(patch - query.image[yc - 2 : yc + 3, xc - 2 : xc + 3]).mean())
    assert np.median(alike) < 2 < 40 < np.median(other)


def test_draws_follow_the_contract() -> None:
    source = SelfPairSource([photograph(0), photograph(1)])
    hidden = 0
    for seed in range(25):
        draw = source.draw(np.random.default_rng(seed), 2, 96)
        assert len(draw.views) == 3
        count = len(draw.views[0].visible)
        assert 4 <= count <= 68
        assert len(draw.links) == count - 1  # a tree
        for view in draw.views:
            assert view.image.shape == (96, 96, 3) and view.image.dtype == np.uint8  # noqa: PT018
            shown = view.keypoints_px[view.visible]
            assert ((shown >= 0) & (shown <= 95)).all()
            hidden += int((~view.visible).sum())
    assert hidden > 0  # some left the view
    again = source.draw(np.random.default_rng(24), 2, 96)
    np.testing.assert_array_equal(again.views[0].image, draw.views[0].image)


def test_bad_photographs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one photograph"):
        SelfPairSource([])
    with pytest.raises(ValueError, match="photograph 1 is 20 x 40 pixels, expected at least 32"):
        SelfPairSource([photograph(), photograph()[:40, :20]])
