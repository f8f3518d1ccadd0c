# SPDX-License-Identifier: Apache-2.0
"""Which pairs are asked, and how answers become PCK."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime.pose import THRESHOLDS, InputConfig
from fmmp_train.data import Dataset, draw_episodes, find_annotations, read_annotations
from fmmp_train.evaluation.evaluate import Answer, CropAnswer, evaluate, on_crops
from fmmp_train.evaluation.pairs import Crops, Pair, draw_pairs, episode_pairs, prepare, shuffle_links
from fmmp_train.evaluation.protocol import Protocol
from tests.golden import load_json


@pytest.fixture(scope="module")
def dataset(data_folder: Path) -> Dataset:
    return read_annotations(find_annotations(data_folder, "val"))


def identities(pairs: Sequence[Pair]) -> list[tuple[int, ...]]:
    return [(*(support.id for support in pair.supports), pair.query.id) for pair in pairs]


def test_pairs_are_seeded_distinct_and_of_one_category(dataset: Dataset) -> None:
    pairs = draw_pairs(dataset, per_category=10)
    # 5, 3 and 2 instances: 20, 6 and 2 ordered pairs
    assert Counter(pair.category_id for pair in pairs) == {1: 10, 2: 6, 7: 2}
    assert len(set(identities(pairs))) == len(pairs)
    for pair in pairs:
        assert pair.query is not pair.supports[0]
        assert pair.query.category_id == pair.supports[0].category_id == pair.category_id
        assert pair.visible.any()
    assert identities(draw_pairs(dataset, per_category=10)) == identities(pairs)
    assert identities(draw_pairs(dataset, per_category=10, seed=1)) != identities(pairs)


def test_a_category_has_its_own_stream(dataset: Dataset) -> None:
    alone = draw_pairs(dataset, per_category=10, categories=[2])
    among_others = [pair for pair in draw_pairs(dataset, per_category=10) if pair.category_id == 2]
    assert identities(alone) == identities(among_others)


def test_two_shots(dataset: Dataset) -> None:
    pairs = draw_pairs(dataset, per_category=4, shots=2)
    assert {len(pair.supports) for pair in pairs} == {2}
    assert {pair.category_id for pair in pairs} == {1, 2}  # category 7 has two instances only
    assert all(len(set(row)) == 3 for row in identities(pairs))


def test_shuffled_links_are_the_same_skeleton_elsewhere(dataset: Dataset) -> None:
    pairs = draw_pairs(dataset, per_category=3)
    shuffled = shuffle_links(pairs)
    assert identities(shuffled) == identities(pairs)  # the same questions
    for before, after in zip(pairs, shuffled, strict=True):
        degrees = [
            np.sort(np.bincount(pair.links.ravel(), minlength=70)).tolist() for pair in (before, after)
        ]
        assert degrees[0] == degrees[1]
    assert any((a.links != b.links).any() for a, b in zip(pairs, shuffled, strict=True))
    again = shuffle_links(draw_pairs(dataset, per_category=2, categories=[1]))[0]
    assert (again.links == shuffled[0].links).all()  # whatever else is asked
    assert Protocol(pairs=3, links="shuffled").draw(dataset)[0].links.tolist() == again.links.tolist()


def test_unknown_category_is_named(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=r"no category 5 .* \[1, 2, 7\]"):
        draw_pairs(dataset, categories=[5])
    with pytest.raises(ValueError, match="has 9 instances"):
        draw_pairs(dataset, shots=8)


def test_episode_pairs_follow_the_episodes(dataset: Dataset) -> None:
    episodes = draw_episodes(dataset.subset([1]), shots=2, queries=3, episodes=4)
    expected = [(*episode.support, query) for episode in episodes for query in episode.queries]
    assert identities(episode_pairs(dataset, episodes)) == expected


def test_crops_show_the_annotated_points(dataset: Dataset) -> None:
    pairs = draw_pairs(dataset, per_category=2)
    for row, pair in enumerate(pairs):
        shown = np.arange(len(pair.visible)) != 1
        pairs[row] = replace(pair, supports=(replace(pair.supports[0], visible=shown),))
    crops = prepare(pairs, InputConfig(image_size=64, num_heads=4)).inputs
    assert crops["query"].shape == (6, 64, 64, 3)
    assert crops["support"].shape == (6, 1, 64, 64, 3)
    assert crops["reference_index"].shape == (6, 1, 70, 4)
    for row, pair in enumerate(pairs):
        box = pair.supports[0].box_xywh
        centre, side = box[:2] + (box[2:] - 1) / 2, (box[2:] - 1).max() * 1.25  # the boxes lie inside
        expected = (pair.supports[0].keypoints_px - centre) / side + 0.5
        count, shown = len(expected), pair.supports[0].visible
        keypoints = crops["keypoints"][row, 0, :count]
        expected[~shown] = (0 - centre) / side + 0.5  # a hidden one lies at pixel (0, 0), as in the runtime
        np.testing.assert_allclose(keypoints, expected, atol=1e-5)  # float32 below 2
        assert (crops["visible"][row, 0, :count] == shown).all()


def off_by(share: float) -> list[float]:
    """PCK of answers that are all `share` of the longer box side away."""
    return [float(share < threshold) for threshold in THRESHOLDS]


@pytest.mark.parametrize("share", [0.0, 0.07, 0.12, 0.3])
def test_a_known_error_gives_a_known_pck(dataset: Dataset, share: float) -> None:
    def predict(pairs: Sequence[Pair]) -> list[Answer]:
        answers = []
        for pair in pairs:
            step = share * (pair.query.box_xywh[2:] - 1).max()  # COCO's sanitised side
            answers.append(Answer(pair.query.keypoints_px + np.array([step, 0])))
        return answers

    report = evaluate(predict, draw_pairs(dataset), batch_size=3)
    np.testing.assert_array_equal(report.category_mean, off_by(share))
    np.testing.assert_array_equal(report.image_mean, off_by(share))


def test_means_over_categories_and_images(dataset: Dataset) -> None:
    """Category 1 (20 pairs) right, the others (6 and 2 pairs) wrong."""

    def predict(pairs: Sequence[Pair]) -> list[Answer]:
        return [Answer(pair.query.keypoints_px + (0 if pair.category_id == 1 else 1000)) for pair in pairs]

    report = evaluate(predict, draw_pairs(dataset))
    np.testing.assert_allclose(report.category_mean, 1 / 3)
    np.testing.assert_allclose(report.image_mean, 20 / 28)
    assert {number: values.tolist() for number, values in report.by_category.items()} == {
        1: [1.0] * 4,
        2: [0.0] * 4,
        7: [0.0] * 4,
    }


def test_only_keypoints_seen_in_all_images_count(dataset: Dataset) -> None:
    [pair, *_] = draw_pairs(dataset, per_category=1)
    count = len(pair.query.visible)
    shown = np.zeros(count, np.bool_)
    shown[:2] = True
    pair = replace(pair, query=replace(pair.query, visible=shown))
    wrong_elsewhere = pair.query.keypoints_px + 1000.0
    wrong_elsewhere[0] = pair.query.keypoints_px[0]
    report = evaluate(lambda _: [Answer(wrong_elsewhere)], [pair])
    np.testing.assert_array_equal(report.image_mean, 0.5)

    hidden = replace(pair, supports=(replace(pair.supports[0], visible=~shown),))
    report = evaluate(lambda pairs: [Answer(wrong_elsewhere)] * len(pairs), [pair, hidden])
    np.testing.assert_array_equal(report.image_mean, 0.25)  # an image without a keypoint to score counts 0
    np.testing.assert_array_equal(report.scored_image_mean, 0.5)


def test_crop_answers_return_to_the_image(dataset: Dataset) -> None:
    """A method that knows the truth in crop coordinates is right to the last digit."""
    pairs = draw_pairs(dataset, per_category=2)
    by_crop = iter(pairs)

    def locate(crops: Crops) -> CropAnswer:
        points = np.zeros((len(crops.matrices), 70, 2), np.float32)
        for row in range(len(crops.matrices)):
            query = next(by_crop).query
            homogeneous = np.column_stack([query.keypoints_px, np.ones(len(query.visible))])
            points[row, : len(query.visible)] = homogeneous @ crops.matrices[row].T / 256
        return CropAnswer(points, None)

    worst = 0.0
    for start in range(0, len(pairs), 2):
        for pair, answer in zip(pairs[start:], on_crops(locate)(pairs[start : start + 2]), strict=False):
            worst = max(worst, float(np.abs(answer.keypoints_px - pair.query.keypoints_px).max()))
    assert worst < 1e-4  # float32 in [0, 1] on images of 160 px, and boxes of at least a tenth of that


def test_wrong_answers_are_refused(dataset: Dataset) -> None:
    pairs = draw_pairs(dataset, per_category=1)
    with pytest.raises(ValueError, match="needs keypoints of shape"):
        evaluate(lambda asked: [Answer(np.zeros((3, 2)))] * len(asked), pairs)
    with pytest.raises(ValueError, match="no pairs"):
        evaluate(lambda _: [], [])


def test_the_released_metric_over_all_images(dataset: Dataset) -> None:
    """Golden images as pairs: the mean is that of the released code, which counts an image without a
    keypoint to score as 0."""
    [like, *_] = draw_pairs(dataset, per_category=1)
    cases = load_json("geometry")["pck"]
    pairs, answers = [], []
    for case in cases:
        mask = np.array(case["mask"], np.bool_)
        width, height = case["bbox_wh"]  # sanitised: a box that lies inside loses a pixel
        query = replace(
            like.query,
            box_xywh=np.array([0, 0, width + 1, height + 1]),
            image_size_hw=(10**6, 10**6),
            keypoints_px=np.array(case["truth"]),
            visible=mask,
        )
        pairs.append(replace(like, query=query, supports=(replace(like.supports[0], visible=mask),)))
        answers.append(Answer(np.array(case["prediction"])))
    report = evaluate(lambda chunk: [answers.pop(0) for _ in chunk], pairs)
    expected = [np.mean([case["pck"][f"{at:g}"] for case in cases]) for at in THRESHOLDS]
    np.testing.assert_allclose(report.image_mean, expected, rtol=0, atol=1e-15)  # quotients of whole numbers
    assert not report.scored.all()  # the golden cases have images without a valid keypoint
    np.testing.assert_allclose(
        report.scored_image_mean, np.array(expected) / report.scored.mean(), rtol=1e-12
    )


def test_area_and_error_by_hand(dataset: Dataset) -> None:
    pair = draw_pairs(dataset, per_category=1)[0]
    side = (pair.query.box_xywh[2:] - 1).max()
    shift = np.zeros((len(pair.visible), 2))
    shift[:, 0] = 0.05 * side  # right from the threshold 0.05 on: three quarters of 0 to 0.2
    shift[0] = 0, 0.3 * side
    shown = pair.visible.copy()
    shown[2:] = False
    pair = replace(pair, query=replace(pair.query, visible=shown))
    report = evaluate(lambda _: [Answer(pair.query.keypoints_px + shift)], [pair])
    assert report.area == pytest.approx([0.75 / 2])
    assert report.nme == pytest.approx([0.35 / 2])
    np.testing.assert_allclose(report.error, [0.3, 0.05])
    curve = np.mean([(report.error < at).mean() for at in np.linspace(0, 0.2, 200_001)])
    assert report.area[0] == pytest.approx(curve, abs=1e-5)  # a step of the sum


def test_pairs_of_one_support_set_share_a_number(dataset: Dataset) -> None:
    episodes = draw_episodes(dataset.subset([1, 2]), queries=2, episodes=3)
    pairs = episode_pairs(dataset, episodes)
    report = evaluate(lambda chunk: [Answer(pair.query.keypoints_px) for pair in chunk], pairs)
    supports = [pair.supports[0].id for pair in pairs]
    for i, first in enumerate(supports):
        for j, second in enumerate(supports):
            assert (report.cluster[i] == report.cluster[j]) == (first == second)
