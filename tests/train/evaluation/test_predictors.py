# SPDX-License-Identifier: Apache-2.0
"""What a network and a bundle are asked during an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fmmp_runtime import Support
from fmmp_runtime.media.image import read_image
from fmmp_runtime.pose import transform_points
from fmmp_train.data import draw_episodes, find_annotations, read_annotations
from fmmp_train.evaluation.pairs import Pair, draw_pairs, episode_pairs, prepare
from fmmp_train.evaluation.predictors import bundle_predictor, network_predictor, open_predictor
from fmmp_train.model import Network
from fmmp_train.model.images import MEAN, STD, normalize
from tests.train.recipes import tiny


@pytest.fixture(scope="module")
def pairs(data_folder: Path) -> list[Pair]:
    return draw_pairs(read_annotations(find_annotations(data_folder, "val")), per_category=2, shots=2)


def test_normalisation_against_its_definition() -> None:
    images = torch.randint(
        256, (2, 3, 4, 5, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    expected = (images.numpy() / 255 - MEAN) / STD
    # float32 of values up to 2.7 / 0.22: 12 * 2^-23 = 1.4e-6
    np.testing.assert_allclose(normalize(images).movedim(-3, -1).numpy(), expected, rtol=0, atol=2e-6)


def test_network_answers_in_image_pixels_whatever_the_batch(pairs: list[Pair]) -> None:
    torch.manual_seed(0)
    network = Network(tiny().model).train()
    for head in network.point_heads.parameters():  # its last layer starts at 0: all layers would agree
        torch.nn.init.normal_(head, std=0.1)
    predict = network_predictor(network)
    together = predict(pairs)
    config = network.config
    for pair, answer in zip(pairs, together, strict=True):
        crops = prepare([pair], config.inputs)
        query, support, *annotation = (torch.from_numpy(array) for array in crops.inputs.values())
        with torch.inference_mode():
            points = network(normalize(query), normalize(support), *annotation)[-1, 0]
        in_crop = transform_points(answer.keypoints_px, crops.matrices[0])
        # a batch of one sums in another order; crops of 64 pixels
        np.testing.assert_allclose(in_crop / 64, points[: len(in_crop)], rtol=0, atol=1e-4)
        assert answer.score is not None
        assert answer.score.shape == pair.visible.shape
        assert ((answer.score >= 0) & (answer.score <= 1)).all()


@dataclass
class Pose:
    keypoints: NDArray[np.float64]
    score: NDArray[np.float64]


@dataclass
class Recorder:
    """Stands for a `PoseEstimator`."""

    supports: list[Sequence[Support]] = field(default_factory=list)
    frames: list[tuple[Any, Any]] = field(default_factory=list)

    def remember(self, supports: Sequence[Support], *, strict: bool) -> int:
        assert not strict  # a few annotations of real data sets lie outside their image
        self.supports.append(supports)
        return len(self.supports)

    def locate(self, frame: Any, state: int, box: Any) -> Pose:  # noqa: ANN401  # as given
        assert state == len(self.supports)
        self.frames.append((frame, box))
        return Pose(np.full((3, 2), float(state)), np.full(3, 0.5))


def test_bundle_gets_what_the_annotations_say(pairs: list[Pair]) -> None:
    estimator = Recorder()
    answers = bundle_predictor(estimator)(pairs)  # type: ignore[arg-type]
    assert [answer.keypoints_px[0, 0] for answer in answers] == list(range(1, len(pairs) + 1))
    for pair, supports, (frame, box) in zip(pairs, estimator.supports, estimator.frames, strict=True):
        np.testing.assert_array_equal(frame, read_image(pair.query.image))
        np.testing.assert_array_equal(box, pair.query.box_xywh)
        for given, instance in zip(supports, pair.supports, strict=True):
            np.testing.assert_array_equal(given.keypoints, instance.keypoints_px)
            np.testing.assert_array_equal(np.asarray(given.visible), instance.visible)
            np.testing.assert_array_equal(np.asarray(given.box), instance.box_xywh)
            np.testing.assert_array_equal(np.asarray(given.links), pair.links)
            np.testing.assert_array_equal(given.image, read_image(instance.image))


def test_a_folder_is_a_bundle(tmp_path: Path) -> None:
    with pytest.raises((OSError, ValueError), match=r"model\.json"):
        open_predictor(tmp_path)


@pytest.mark.parametrize("orientations", [1, 4])
def test_queries_that_share_supports_are_answered_as_if_alone(data_folder: Path, orientations: int) -> None:
    torch.manual_seed(0)
    network = Network(replace(tiny().model, orientations=orientations))
    for head in network.point_heads.parameters():
        torch.nn.init.normal_(head, std=0.1)
    dataset = read_annotations(find_annotations(data_folder, "val")).subset([1, 2])
    pairs = episode_pairs(dataset, draw_episodes(dataset, queries=2, episodes=2))
    pairs = [pairs[i] for i in (0, 4, 1, 6, 5)]  # mixed
    predict = network_predictor(network)
    for pair, answer in zip(pairs, predict(pairs), strict=True):
        [alone] = predict([pair])
        # images of 160 pixels; a batch of one sums in another order
        np.testing.assert_allclose(answer.keypoints_px, alone.keypoints_px, rtol=0, atol=0.02)
        assert answer.score is not None
        assert alone.score is not None
        np.testing.assert_allclose(answer.score, alone.score, rtol=0, atol=1e-3)


def test_a_bundle_remembers_an_episode_once(data_folder: Path) -> None:
    dataset = read_annotations(find_annotations(data_folder, "val")).subset([1])
    pairs = episode_pairs(dataset, draw_episodes(dataset, queries=3, episodes=2))
    recorder = Recorder()
    predict = bundle_predictor(recorder)  # type: ignore[arg-type]  # what is asked of it is all there
    assert len([*predict(pairs[:2]), *predict(pairs[2:])]) == 6
    assert len(recorder.supports) == 2
    assert len(recorder.frames) == 6
