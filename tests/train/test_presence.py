# SPDX-License-Identifier: Apache-2.0
"""Scenes that are made up, windows in them, presence that is fitted to them, and finding that is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fmmp_runtime.find import overlap
from fmmp_train.calibration.calibrate import calibrate
from fmmp_train.calibration.windows import (
    AFAR,
    ASIDE,
    FRAMED,
    KEPT_AFAR,
    NEAR,
    Scene,
    draw_windows,
    pair_scenes,
    synthetic_scenes,
    window_samples,
)
from fmmp_train.data import find_annotations, read_annotations
from fmmp_train.data.coco import Instance
from fmmp_train.data.tools.compose import draw_backdrop, paste
from fmmp_train.evaluation.finding import Found, summarise
from fmmp_train.evaluation.pairs import draw_pairs
from fmmp_train.evaluation.trust import auroc
from fmmp_train.model import Network
from tests.train.recipes import tiny


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(tiny().model).eval()


def instance() -> tuple[np.ndarray, Instance]:
    """A red square on black, its corners the keypoints."""
    image = np.zeros((100, 120, 3), np.uint8)
    image[30:71, 40:81] = (255, 0, 0)
    corners = np.array([[40, 30], [80, 30], [80, 70], [40, 70]], np.float32)
    box = np.array([40.0, 30.0, 41.0, 41.0])
    return image, Instance(7, 1, Path("a.png"), (100, 120), box, corners, np.ones(4, np.bool_))


@pytest.mark.parametrize("seed", range(5))
def test_the_pasted_object_is_where_its_annotation_says(seed: int) -> None:
    image, square = instance()
    frame = np.full((200, 300, 3), 90, np.uint8)
    composed, moved = paste(frame, image, square, np.random.default_rng(seed))
    assert (frame == 90).all()  # a copy
    side = moved.box_xywh[2:].max()
    assert 0.2 * 300 <= side <= 0.45 * 300
    assert (moved.box_xywh[:2] >= 0).all()
    assert (moved.box_xywh[:2] + moved.box_xywh[2:] <= [300, 200]).all()
    x, y = moved.keypoints_px.mean(0).round().astype(int)
    assert composed[y, x].tolist() == [255, 0, 0]
    span = np.ptp(moved.keypoints_px, axis=0)
    np.testing.assert_allclose(span, side, rtol=1e-5)  # the box of 41 pixels is 40 wide when sanitised
    far = np.abs(np.indices((200, 300)) - np.array([y, x])[:, None, None]).max(0) > 0.7 * side + 3
    assert (composed[far] == 90).all()
    assert (moved.id, moved.image_size_hw) == (7, (200, 300))


@pytest.mark.parametrize("shape", [(50, 400, 3), (400, 50, 3), (96, 128, 3)])
def test_a_backdrop_fills_its_frame(shape: tuple[int, ...]) -> None:
    photograph = np.random.default_rng(0).integers(1, 256, shape).astype(np.uint8)
    backdrop = draw_backdrop(photograph, (96, 128), np.random.default_rng(1))
    assert backdrop.shape == (96, 128, 3)
    assert backdrop.min() > 0


def scene(box: np.ndarray | None) -> Scene:
    nothing = np.zeros((2, 2))
    return Scene(0, {}, np.zeros((240, 320, 3), np.uint8), box, nothing, np.ones(2, np.bool_))


def test_windows_near_the_object_are_framed_and_those_elsewhere_are_not() -> None:
    square = np.array([100.0, 80.0, 60.0, 60.0])
    rng = np.random.default_rng(0)
    for _ in range(20):
        windows = draw_windows(scene(square), rng)
        assert len(windows) == NEAR + ASIDE + AFAR
        shares = [overlap(window, square) for window in windows]
        assert min(shares[:NEAR]) >= FRAMED
        assert max(shares[NEAR:]) < FRAMED
    assert len(draw_windows(scene(None), rng)) == NEAR + ASIDE + AFAR


def test_samples_of_scenes_with_and_without_the_object(network: Network, data_folder: Path) -> None:
    pairs = draw_pairs(read_annotations(find_annotations(data_folder, "val")), per_category=1)
    rng = np.random.default_rng(0)
    scenes = [*pair_scenes(network, pairs[:2], rng), *synthetic_scenes(network, 2, rng)]
    assert [each.box is None for each in scenes] == [False, False, True] * 2 + [False, True] * 2
    windows, keypoints = window_samples(network, iter(scenes), rng)
    kept = NEAR + ASIDE + KEPT_AFAR
    assert len(windows.is_right) == kept * len(scenes)
    there = torch.tensor([each.box is not None for each in scenes]).repeat_interleave(kept)
    assert int(windows.is_right.sum()) == NEAR * int(there[::kept].sum())
    assert not windows.is_right[~there].any()
    assert windows.evidence.shape[1] == len(network.presence.weight)
    assert len(keypoints.is_right) == kept * sum(int(each.shown.sum()) for each in scenes)
    assert keypoints.evidence.shape[1] == len(network.confidence.weight)


def test_calibration_fits_presence_only_where_it_is_asked_for(network: Network, data_folder: Path) -> None:
    pairs = draw_pairs(read_annotations(find_annotations(data_folder, "val")), per_category=2)
    assert calibrate(network, pairs, synthetic=0).presence is None
    assert not bool(network.presence.calibrated)
    found = calibrate(network, pairs, synthetic=0, scenes=2).presence
    assert found is not None
    assert bool(network.presence.calibrated)
    assert 0 <= found.auroc <= 1


def test_auroc_against_all_pairs() -> None:
    rng = np.random.default_rng(0)
    score, right = rng.integers(0, 5, 40) / 4.0, rng.random(40) < 0.4
    ahead = [(a > b) + (a == b) / 2 for a in score[right] for b in score[~right]]
    assert auroc(score, right) == pytest.approx(np.mean(ahead))
    assert np.isnan(auroc(score, np.ones(40, np.bool_)))


def test_means_of_what_was_found() -> None:
    def row(category: int, found: float, overlap: float, presence: float, absent: float) -> Found:
        return Found(category, 1.0, found, overlap, presence, absent, [presence], [found > 0])

    rows = [row(1, 1, 0.8, 0.9, 0.2), row(1, 0, 0.1, 0.4, 0.5), row(2, 0.5, 0.5, 0.8, 0.1)]
    result = summarise(rows)
    assert result.by_category == {1: (1, 0.5, 0.5), 2: (1, 0.5, 1)}
    assert (result.given, result.found, result.recall) == (1, 0.5, 0.75)
    assert result.auroc == pytest.approx(8 / 9)  # of 9 couples, 0.4 against 0.5 is the wrong way round
    errors = {0.9: 1, 0.4: 0, 0.8: 1, 0.2: 0, 0.5: 0, 0.1: 0}  # presence and whether it was there, a bin each
    assert result.presence_error == pytest.approx(np.mean([abs(p - t) for p, t in errors.items()]))
