# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fmmp_runtime.media.image import write_image
from fmmp_runtime.pose import reference_index
from fmmp_train.data import DataError, Dataset, read_annotations
from fmmp_train.data.examples.augment import PLAIN, View
from fmmp_train.data.examples.dataset import Example, ExampleOptions, Mixture, collate, make_example
from fmmp_train.data.examples.self_pairs import SelfPairSource
from fmmp_train.data.examples.sources import AnnotatedSource, Draw, Source, SyntheticSource
from tests.train.data import dots

SIZE = 32
PLAIN_OPTIONS = ExampleOptions(
    image_size=SIZE, max_keypoints=24, subset_chance=0, shuffle=False, flip_chance=0
)


def views(count: int, shots: int = 1, seed: int = 0) -> list[View]:
    """Views whose keypoint k lies at (k + 1, own number): a point tells its index and its view."""
    images = np.random.default_rng(seed).integers(0, 256, (shots + 1, SIZE, SIZE, 3), dtype=np.uint8)
    points = [[(k + 1, 3 * v + 2) for k in range(count)] for v in range(shots + 1)]
    return [
        View(image, np.array(p, np.float32), np.ones(count, np.bool_))
        for image, p in zip(images, points, strict=True)
    ]


def chain(count: int) -> np.ndarray:
    return np.array([(k, k + 1) for k in range(count - 1)], np.int64).reshape(-1, 2)


def example(draw: Draw, options: ExampleOptions, seed: int = 0) -> Example:
    made = make_example(draw, options, np.random.default_rng(seed))
    assert made is not None
    return made


def test_without_augmentation_everything_stays() -> None:
    draw = Draw(views(5), chain(5), 7)
    made = example(draw, PLAIN_OPTIONS)
    np.testing.assert_array_equal(made.query, draw.views[1].image)
    np.testing.assert_array_equal(made.support[0], draw.views[0].image)
    np.testing.assert_allclose(made.support_keypoints[0, :5] * SIZE, draw.views[0].keypoints_px, rtol=1e-6)
    np.testing.assert_allclose(made.query_keypoints[:5] * SIZE, draw.views[1].keypoints_px, rtol=1e-6)
    assert (made.num_keypoints, made.category) == (5, 7)
    assert made.links[:4].tolist() == chain(5).tolist()
    assert made.support_keypoints.dtype == np.float32


@given(st.integers(0, 1000), st.integers(4, 12), st.sampled_from(["mixup", "uniform"]))
def test_support_and_query_stay_in_step(seed: int, count: int, padding: Any) -> None:  # noqa: ANN401  # Literal
    """Every keypoint, padded or not, is the same place of the skeleton in both pictures: here, the same x."""
    options = ExampleOptions(image_size=SIZE, max_keypoints=24, subset_chance=0.5, padding=padding)
    made = example(Draw(views(count), chain(count), 0), options, seed)
    shown = made.support_visible[0]
    np.testing.assert_array_equal(shown, made.query_visible)
    assert 4 <= made.num_keypoints <= count
    assert shown[: made.num_keypoints].all()
    np.testing.assert_allclose(made.support_keypoints[0, shown, 0], made.query_keypoints[shown, 0], rtol=1e-5)
    if padding == "mixup":
        assert shown.all()


@given(st.integers(0, 1000))
def test_links_and_reference_index_fit_the_shuffled_keypoints(seed: int) -> None:
    options = ExampleOptions(image_size=SIZE, max_keypoints=16, subset_chance=0.5, num_heads=4)
    made = example(Draw(views(9), chain(9), 0), options, seed)
    count = made.num_keypoints
    x = made.support_keypoints[0, :count, 0]
    raw = made.links[: count - 1]  # what is left of a chain is a chain, along x
    along = np.sort(np.abs(x[raw[:, 0]] - x[raw[:, 1]]))
    order = np.sort(x)
    np.testing.assert_allclose(along, np.sort(np.diff(order)), rtol=1e-4)
    np.testing.assert_array_equal(
        made.structure["reference_index"][0], reference_index(made.support_visible[0], made.links, 4)
    )


def test_support_and_query_are_mirrored_together() -> None:
    options = ExampleOptions(image_size=SIZE, max_keypoints=8, subset_chance=0, shuffle=False, flip_chance=1)
    draw = Draw(views(4), chain(4), 0)
    made = example(draw, options)
    np.testing.assert_array_equal(made.query, draw.views[1].image[:, ::-1])
    np.testing.assert_array_equal(made.support[0], draw.views[0].image[:, ::-1])
    np.testing.assert_allclose(made.query_keypoints[:4, 0] * SIZE, SIZE - 1 - np.arange(1, 5), rtol=1e-5)


def test_nothing_in_common_gives_no_example() -> None:
    support, query = views(4)
    support = support._replace(visible=np.array([True, True, False, False]))
    query = query._replace(visible=np.array([False, False, True, True]))
    draw = Draw([support, query], chain(4), 0)
    assert make_example(draw, PLAIN_OPTIONS, np.random.default_rng(0)) is None
    second = support._replace(visible=np.array([False, False, False, True]))
    two_shots = Draw([support, second, query], chain(4), 0)
    assert make_example(two_shots, PLAIN_OPTIONS, np.random.default_rng(0)) is not None


def test_no_links_are_padded_with_zeros() -> None:
    made = example(Draw(views(4), chain(1), 0), ExampleOptions(image_size=SIZE, max_keypoints=8))
    assert not made.support_visible[0, 4:].any()
    assert len(made.links) == 0


def test_of_more_keypoints_than_fit_some_are_used() -> None:
    for seed in range(10):
        made = example(Draw(views(12), chain(12), 0), ExampleOptions(image_size=SIZE, max_keypoints=8), seed)
        assert made.num_keypoints <= 8
        assert made.query_keypoints.shape == (8, 2)


class Numbered:
    """A source whose examples tell its number; every other draw shares nothing."""

    def __init__(self, number: int) -> None:
        self.name, self.number = f"source {number}", number

    def draw(self, rng: np.random.Generator, shots: int, size: int) -> Draw:
        made = views(4, shots)
        if rng.random() < 0.5:
            made[-1] = made[-1]._replace(visible=np.zeros(4, np.bool_))
        return Draw(made, chain(4), 100 + self.number)


def equal(one: Example, other: Example) -> bool:
    pairs = [(getattr(one, name), getattr(other, name)) for name in Example._fields if name != "structure"]
    pairs += [(one.structure[name], other.structure[name]) for name in one.structure]
    return all(np.array_equal(*pair) for pair in pairs)


def test_examples_are_a_pure_function_of_seed_and_index() -> None:
    sources: list[tuple[Source, float]] = [(SyntheticSource(), 1), (Numbered(1), 1)]
    options = ExampleOptions(image_size=SIZE, max_keypoints=70)
    stream = Mixture(sources, options, seed=3)
    forwards = [stream[i] for i in range(8)]
    resumed = Mixture(sources, options, seed=3)
    for i in (5, 2, 7, 0):  # another process may start anywhere, in any order
        assert equal(resumed[i], forwards[i])
    assert not equal(Mixture(sources, options, seed=4)[0], forwards[0])


def test_sources_come_by_their_weights() -> None:
    stream = Mixture([(Numbered(0), 1), (Numbered(1), 3)], PLAIN_OPTIONS, seed=0)
    drawn = [stream[i] for i in range(400)]
    assert Counter(e.source for e in drawn)[1] == pytest.approx(300, abs=35)  # 4 standard deviations
    assert all(e.category == 100 + e.source for e in drawn)


@pytest.mark.parametrize("weights", [[], [0.0], [1.0, -1.0], [float("nan")]])
def test_bad_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="a mixture needs sources with positive weights"):
        Mixture([(Numbered(i), w) for i, w in enumerate(weights)], PLAIN_OPTIONS, seed=0)


def test_a_source_that_never_fits_is_named() -> None:
    class Blind(Numbered):
        def draw(self, rng: np.random.Generator, shots: int, size: int) -> Draw:
            made = views(4)
            return Draw([made[0], made[1]._replace(visible=np.zeros(4, np.bool_))], chain(4), 0)

    with pytest.raises(ValueError, match="'source 0': 50 draws, no support shared a visible keypoint"):
        Mixture([(Blind(0), 1)], PLAIN_OPTIONS, seed=0)[0]


def test_collate_pads_links() -> None:
    short = example(Draw(views(4, 2), chain(2), 0), PLAIN_OPTIONS)
    long = example(Draw(views(6, 2), chain(6), 1), PLAIN_OPTIONS)
    batch = collate([short, long])
    assert batch.support.shape == (2, 2, SIZE, SIZE, 3)
    assert batch.support.dtype == torch.uint8
    assert batch.reference_index.shape == (2, 2, 24, 8)
    assert batch.query_visible.dtype == torch.bool
    assert batch.num_keypoints.tolist() == [4, 6]
    assert batch.links[0, : len(short.links)].tolist() == short.links.tolist()
    assert (batch.links[0, len(short.links) :] == -1).all()
    assert batch.links.shape[1] == len(long.links)


@pytest.fixture
def annotated(tmp_path: Path) -> Dataset:
    """Three pictures of one category with coloured dots, named left and right."""
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for i in range(3):
        points = np.array([[40.0, 40.0], [80.0, 40.0], [60.0, 70.0 + 6 * i]]) + 5 * i
        write_image(tmp_path / "images" / f"{i}.png", dots.draw((130, 140), points))
        images.append({"id": i, "file_name": f"{i}.png", "height": 130, "width": 140})
        flat = [v for x, y in points.tolist() for v in (x, y, 2)]
        box = [30 + 5 * i, 30 + 5 * i, 60, 60]
        annotations.append({"id": 10 + i, "image_id": i, "category_id": 1, "keypoints": flat, "bbox": box})
    category = {"id": 1, "name": "dots", "keypoints": ["left", "right", "tail"], "skeleton": [[0, 2], [1, 2]]}
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    return read_annotations(file)


def height_over_width(view: View) -> float:
    """Tells the pictures of `annotated` apart, mirrored or not: 0.75, 0.9 and 1.05."""
    left, right, tail = view.keypoints_px
    return float((tail[1] - left[1]) / abs(right[0] - left[0]))


@pytest.mark.parametrize("shots", [1, 2, 4])
def test_annotated_pairs_show_their_keypoints(annotated: Dataset, shots: int) -> None:
    source = AnnotatedSource(annotated, PLAIN)
    mirrored = 0
    for seed in range(20):
        draw = source.draw(np.random.default_rng(seed), shots, 96)
        assert len(draw.views) == shots + 1
        assert draw.links.tolist() == [[0, 2], [1, 2]]
        for view in draw.views:
            found = dots.find(view.image, 3)
            swapped = found[0, 0] > found[1, 0]  # mirrored alone: the left dot is called right
            mirrored += int(swapped)
            expected = view.keypoints_px[[1, 0, 2]] if swapped else view.keypoints_px
            np.testing.assert_allclose(found, expected, rtol=0, atol=0.5)
        *supports, query = (height_over_width(view) for view in draw.views)
        assert all(abs(support - query) > 0.05 for support in supports)  # never the same picture
    assert mirrored > 0


def test_nothing_to_pair(annotated: Dataset) -> None:
    one = Dataset(annotated.source, annotated.categories, annotated.instances[:1])
    with pytest.raises(DataError, match=r"a\.json: no category has two usable instances"):
        AnnotatedSource(one)


def test_all_sources_make_batches(annotated: Dataset) -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    sources: list[tuple[Source, float]] = [
        (SyntheticSource(), 1),
        (AnnotatedSource(annotated), 1),
        (SelfPairSource([photograph]), 1),
    ]
    stream = Mixture(sources, ExampleOptions(image_size=64, shots=2), seed=1)
    batch = collate([stream[i] for i in range(12)])
    assert set(batch.source.tolist()) == {0, 1, 2}
    assert batch.query.shape == (12, 64, 64, 3)
    inside = batch.query_keypoints[batch.query_visible]
    assert ((inside >= 0) & (inside <= 1)).all()
    assert (batch.query_visible & batch.support_visible.any(1)).any(1).all()
