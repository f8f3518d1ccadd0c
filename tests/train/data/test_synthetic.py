# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import numpy as np
import pytest

from fmmp_runtime.pose import check_links
from fmmp_train.synthetic import SyntheticCategory, TextureBank, category
from fmmp_train.synthetic.builders import FAMILIES
from fmmp_train.synthetic.figure import Figure, View, vec
from fmmp_train.synthetic.textures import Texture
from tests.train.data import dots

pytestmark = pytest.mark.slow  # pictures are painted: seconds of CPU time


def render(seed: int, instance: int = 0, **placement: float) -> category.Rendering:
    return SyntheticCategory(seed).render(np.random.default_rng(instance), 128, **placement)


def test_pure_function_of_the_seeds() -> None:
    first = render(5, 1)
    render(6, 2)
    again = render(5, 1)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (render(5, 2).image != first.image).any()
    assert (render(7, 1).image != first.image).any()


def test_every_family_builds_sound_categories() -> None:
    families: Counter[str] = Counter()
    counts = []
    for seed in range(400):
        made = SyntheticCategory(seed)
        families[made.kind] += 1
        counts.append(made.num_keypoints)
        check_links(made.links, made.num_keypoints)
        assert set(made.links.ravel().tolist()) == set(range(made.num_keypoints))  # none stands alone
    assert set(families) == set(FAMILIES)
    assert 4 <= min(counts) < 7
    assert 40 < max(counts) <= 68


def test_renderings_are_sound() -> None:
    shown = []
    for seed in range(60):
        drawn = render(seed)
        assert drawn.image.shape == (128, 128, 3)
        assert drawn.image.dtype == np.uint8
        assert drawn.image.std() > 2
        assert np.isfinite(drawn.keypoints_px).all()
        assert ((drawn.keypoints_px[drawn.visible] >= 0) & (drawn.keypoints_px[drawn.visible] <= 127)).all()
        shown.append(drawn.visible.mean())
    assert np.mean(shown) > 0.85


def test_instances_vary_and_categories_vary_more() -> None:
    """Compare the layout of keypoints, without place and size."""

    def layout(made: SyntheticCategory, instance: int) -> np.ndarray:
        points = made.render(np.random.default_rng(instance), 64).keypoints_px.astype(float)
        return np.asarray((points - points.mean(0)) / points.std())

    within, across = [], []
    made = [SyntheticCategory(seed) for seed in range(60)]
    for one, other in zip(made, made[1:] + made[:1], strict=True):
        first, second = layout(one, 0), layout(one, 1)
        within.append(np.abs(first - second).mean())
        k = min(one.num_keypoints, other.num_keypoints)
        across.append(np.abs(first[:k] - layout(other, 0)[:k]).mean())
    assert 0.05 < np.median(within) < 0.6 * np.median(across)


DOTS = np.array([[-0.4, -0.3, 0.0], [0.4, -0.25, 0.0], [0.1, 0.45, 0.0], [-0.2, 0.1, 0.0]])


def dotted(figure: Figure) -> list[Texture]:
    """A grey board with dots, each a keypoint; the textures are the board's and the dots'."""
    root = figure.bone(-1, (0, 0, 0))
    corners = ((-0.6, -0.6), (0.6, -0.6), (0.6, 0.6), (-0.6, 0.6))
    figure.plate(figure.row(root, [(x, y, -0.02) for x, y in corners]), 0, lift=-0.5)
    for i, at in enumerate(DOTS):
        figure.keypoint(figure.spot(root, at, (0.06, 0.06), 1 + i, lift=0.5))
    figure.link(*range(len(DOTS)))
    plain = [(90, 90, 90), *dots.colours(len(DOTS))]
    return [Texture(0, np.array([colour, colour], float), 0.0, 0.0) for colour in plain]


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch) -> Figure:
    """Categories are this figure, on a plain background in plain light, alone in the picture."""
    figure = Figure()
    textures = dotted(figure)
    monkeypatch.setattr(category, "build_figure", lambda *_: ("board", figure, textures))
    grey = lambda _bank, _rng, size: np.full((size, size, 3), 90, np.uint8)  # noqa: E731  # a stand-in
    monkeypatch.setattr(category, "draw_backdrop", grey)
    monkeypatch.setattr(category, "surround", lambda *_: None)
    monkeypatch.setattr(category, "through_camera", lambda canvas, *_: canvas)
    for chance in ("_OCCLUDED_CHANCE", "_NEIGHBOUR_CHANCE"):
        monkeypatch.setattr(category, chance, 0.0)
    return figure


@pytest.mark.parametrize("rotation", [0.0, 50.0, -120.0])
def test_keypoints_are_where_they_are_painted(
    studio: Figure, rotation: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.view = View(yaw_spread=0.6, pitch_spread=0.5, roll_spread=0.3)
    for seed in range(5):
        made = SyntheticCategory(seed)
        monkeypatch.setattr(made, "_outlined", False)  # dark lines around dots have other colours
        drawn = made.render(np.random.default_rng(seed), 200, rotation_deg=rotation)
        found = dots.find(drawn.image, len(DOTS))
        # A dot of twenty pixels with a smooth edge, on a board whose tint counts a little: 0.44 at worst.
        np.testing.assert_allclose(found, drawn.keypoints_px, rtol=0, atol=0.6)


def test_placement_follows_its_arguments(studio: Figure) -> None:
    studio.view = View(yaw_spread=0, pitch_spread=0, roll_spread=0)

    def drawn(**placement: float) -> category.Rendering:
        return SyntheticCategory(1).render(np.random.default_rng(3), 250, **placement)

    plain, small, turned = drawn(), drawn(scale=0.5), drawn(rotation_deg=90)
    assert plain.keypoints_px[2, 1] < plain.keypoints_px[0, 1]  # a figure's y points up, a picture's down
    assert plain.keypoints_px[0, 0] < plain.keypoints_px[1, 0]
    assert plain.box[2:].max() == pytest.approx(200, abs=0.1)  # 250 / 1.25
    assert small.box[2:].max() == pytest.approx(100, abs=0.1)
    across = plain.keypoints_px[1] - plain.keypoints_px[0]
    np.testing.assert_allclose(small.keypoints_px[1] - small.keypoints_px[0], across / 2, atol=0.01)
    # A quarter turn counter-clockwise, y down: (x, y) -> (y, -x).
    np.testing.assert_allclose(
        turned.keypoints_px[1] - turned.keypoints_px[0], [across[1], -across[0]], atol=0.01
    )


def test_points_behind_other_parts_can_be_hidden(studio: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.view = View(yaw_spread=0, pitch_spread=0, roll_spread=0)
    ball = DOTS[2] + vec(0, 0, 0.5)
    studio.blob(0, ball, (0.15, 0.15, 0.15), 0)

    def visible(labels_hidden: bool) -> list[bool]:
        made = SyntheticCategory(0)
        monkeypatch.setattr(made, "_labels_hidden", labels_hidden)
        return [bool(shown) for shown in made.render(np.random.default_rng(0), 200).visible]

    studio.parts[-1] = studio.parts[-1]._replace(lift=1.0)  # painted last
    assert visible(labels_hidden=False) == [True, True, False, True]
    assert visible(labels_hidden=True) == [True] * 4  # as annotators who guess


def test_spots_that_face_away_can_be_hidden(studio: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.view = View(yaw=np.pi, yaw_spread=0, pitch_spread=0, roll_spread=0)
    made = SyntheticCategory(0)
    monkeypatch.setattr(made, "_labels_hidden", False)
    drawn = made.render(np.random.default_rng(0), 200)
    assert not drawn.visible.any()
    assert np.isnan(dots.find(drawn.image, len(DOTS))).all()


def test_joints_move_what_hangs_on_them(studio: Figure) -> None:
    """A dot on a bone that swings moves; dots on the root keep their distances."""
    studio.view = View(yaw_spread=0, pitch_spread=0, roll_spread=0)
    arm = studio.bone(0, (0, 0, 0), (0, 0, 0.8))
    studio.bone_of[studio.keypoints[1]] = arm
    made = SyntheticCategory(2)
    instances = [made.render(np.random.default_rng(i), 200).keypoints_px for i in range(12)]
    angles = [np.arctan2(*(p[1] - p.mean(0))) for p in instances]
    assert np.std(angles) > 0.15


def test_photographs_join_the_bank() -> None:
    red = np.zeros((60, 80, 3), np.uint8)
    red[..., 0] = 255
    bank = TextureBank(0, photographs=[red])
    plain = TextureBank(0)
    assert len(bank.fields) > len(plain.fields)
    assert any((scene[..., 0] > 200).all() and (scene[..., 1:] < 50).all() for scene in bank.backdrops)
    assert SyntheticCategory(0, bank).render(np.random.default_rng(0), 64).image.shape == (64, 64, 3)
