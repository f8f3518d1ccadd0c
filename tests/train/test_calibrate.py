# SPDX-License-Identifier: Apache-2.0
"""Calibration on data whose truth is known, and on a network."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from fmmp_runtime.pose import Method, draw_mixup, pad_keypoints, reference_index
from fmmp_train.calibration.calibrate import (
    calibrate,
    calibrate_file,
    calibration_error,
    fit,
    reliability,
)
from fmmp_train.calibration.evidence import Sample, join, pair_sample, synthetic_sample, unseen_categories
from fmmp_train.checkpoint.files import load_model, save_model
from fmmp_train.cli.calibrate import main
from fmmp_train.data import find_annotations, read_annotations
from fmmp_train.evaluation.evaluate import Answer, evaluate
from fmmp_train.evaluation.pairs import Pair, draw_pairs, prepare
from fmmp_train.evaluation.predictors import network_predictor
from fmmp_train.model import Network
from fmmp_train.model.images import normalize
from tests.train.recipes import network_of, tiny

TRUE_WEIGHT = torch.tensor([-1.5, 0.5, 0.0], dtype=torch.float64)
TRUE_BIAS = 0.7


def drawn_sample(count: int = 20_000) -> Sample:
    """Right with exactly the probability that a known logistic model says."""
    generator = torch.Generator().manual_seed(0)
    evidence = torch.randn(count, 3, generator=generator, dtype=torch.float64) * torch.tensor([1, 3, 0.1]) + 2
    chance = (evidence @ TRUE_WEIGHT + TRUE_BIAS).sigmoid()
    is_right = torch.rand(count, generator=generator, dtype=torch.float64) < chance
    return Sample(evidence, is_right, torch.arange(count) % 4)


def test_fit_finds_the_model_that_made_the_data() -> None:
    sample = drawn_sample()
    weight, bias = fit(sample)
    expected = (sample.evidence @ TRUE_WEIGHT + TRUE_BIAS).sigmoid()
    score = (sample.evidence @ weight + bias).sigmoid()
    # 4 parameters from 20 000 draws: a standard error of sqrt(4 / 20 000) / 2 = 0.007 a score; the ridge
    # shrinks the weights a little: 0.010 is measured, and 0.004 with a fifth of the ridge
    assert float((score - expected).abs().mean()) < 0.02
    assert calibration_error(score, sample) < 0.02
    shifted = (sample.evidence @ weight + bias + 2).sigmoid()
    assert calibration_error(shifted, sample) > 0.1


def test_fit_is_where_the_gradient_vanishes() -> None:
    """Against autograd, with categories of unequal size."""
    sample = drawn_sample(200)
    sample = sample._replace(category=(torch.arange(200) % 7).clamp(max=2))
    weight, bias = (value.requires_grad_() for value in fit(sample))
    logits = sample.evidence @ weight + bias
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, sample.is_right.double(), reduction="none"
    )
    means = [entropy[sample.category == number].mean() for number in (0, 1, 2)]
    loss = sum(means) / 3 + 0.005 / 2 * (weight * sample.evidence.std(0)).square().sum()
    for gradient in torch.autograd.grad(loss, (weight, bias)):
        assert float(gradient.abs().max()) < 1e-9  # float64, and Newton's last step squares the error


def test_separable_data_stays_finite() -> None:
    evidence = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    category = torch.zeros(50, dtype=torch.int64)
    weight, bias = fit(Sample(evidence, evidence[:, 0] > 0, category))
    assert torch.isfinite(weight).all()
    assert torch.isfinite(bias)
    assert weight[0] > 0


def test_reliability_against_loops() -> None:
    sample = drawn_sample(500)
    score = torch.rand(500, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    score[0] = 1.0  # belongs to the last bin
    error = 0.0
    for index in range(10):
        inside = [
            i
            for i in range(500)
            if index / 10 <= score[i] < (index + 1) / 10 or (index == 9 and score[i] == 1)
        ]
        mean = sum(score[i].item() for i in inside) / len(inside)
        right = sum(sample.is_right[i].item() for i in inside) / len(inside)
        part = reliability(score, sample)[index]
        np.testing.assert_allclose(part, (mean, right, len(inside) / 500), rtol=1e-12)  # float64, 500 terms
        error += len(inside) / 500 * abs(mean - right)
    assert calibration_error(score, sample) == pytest.approx(error, rel=1e-12)


@pytest.fixture(scope="module")
def pairs(data_folder: Path) -> list[Pair]:
    return draw_pairs(read_annotations(find_annotations(data_folder, "val")), per_category=6)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(tiny().model).eval()


def test_right_means_what_pck_says(network: Network, pairs: list[Pair]) -> None:
    sample = pair_sample(network, pairs)
    report = evaluate(network_predictor(network), pairs)
    counts = np.array([pair.visible.sum() for pair in pairs])
    assert len(sample.is_right) == counts.sum()
    assert float(sample.is_right.sum()) == pytest.approx((report.pck[:, 1] * counts).sum())  # PCK@0.1
    # every category weighs the same
    for number in (0, 1, 2):
        assert float(sample.weight[sample.category == number].sum()) == pytest.approx(1 / 3)


def test_calibration_changes_the_score_alone(network: Network, pairs: list[Pair]) -> None:
    before = network_predictor(network)(pairs)
    result = calibrate(network, pairs, synthetic=0)
    after = network_predictor(network)(pairs)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old.keypoints_px, new.keypoints_px)
    assert bool(network.confidence.calibrated)
    assert result.after <= result.before
    scores = [mean_score(answer, pair) for answer, pair in zip(after, pairs, strict=True)]
    by_category = [
        np.average(
            [score for score, pair in zip(scores, pairs, strict=True) if pair.category_id == number],
            weights=[pair.visible.sum() for pair in pairs if pair.category_id == number],
        )
        for number in (1, 2, 7)
    ]
    # a logistic fit with a free bias predicts the right mean; the stored weights are float32
    assert np.mean(by_category) == pytest.approx(result.right, abs=1e-4)


def mean_score(answer: Answer, pair: Pair) -> float:
    assert answer.score is not None
    return float(answer.score[pair.visible].mean())


def test_synthetic_categories_weigh_as_much_as_others(network: Network, pairs: list[Pair]) -> None:
    real, drawn = pair_sample(network, pairs), synthetic_sample(network, 20)
    both = join(real, drawn)
    numbers = set(both.category.tolist())
    assert len(numbers) == len(set(real.category.tolist())) + len(set(drawn.category.tolist()))
    for number in numbers:
        assert float(both.weight[both.category == number].sum()) == pytest.approx(1 / len(numbers))
    again = synthetic_sample(network, 20)
    assert torch.equal(again.evidence, drawn.evidence)  # the same categories every time
    # one batch or several: float32 sums in another order
    torch.testing.assert_close(
        synthetic_sample(network, 3).evidence, drawn.evidence[drawn.category < 3], rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("method", ["uniform", "mixup", "zero"])
def test_pairs_are_padded_as_at_deployment(pairs: list[Pair], method: Method) -> None:
    network = network_of(dataclasses.replace(tiny().model, test_padding=method))
    [pair] = pairs[:1]
    sample = pair_sample(network, [pair])
    crops = prepare([pair], network.config.inputs).inputs
    query, support = (normalize(torch.from_numpy(crops[name])) for name in ("query", "support"))
    count = len(pair.links), 70 - len(pair.visible)
    draws = draw_mixup(*count, 1.0, np.random.default_rng(0)) if method == "mixup" else ()
    own, seen = (crops[name][0, 0, : len(pair.visible)] for name in ("keypoints", "visible"))
    points, shown, links = pad_keypoints(own, seen, pair.links, 70, method, *draws)
    index = reference_index(shown, links, network.config.num_heads)
    annotation = (torch.from_numpy(array)[None, None] for array in (points, shown, index))
    with torch.inference_mode():
        located = network.locate(query, network.support_state(support, *annotation))
    # logarithms of steps of 1e-3 and more, of points that another order of sums moves by 1e-6
    expected = located.evidence[0, : len(pair.visible)][torch.from_numpy(pair.visible)]
    np.testing.assert_allclose(sample.evidence, expected, rtol=0, atol=2e-3)


def test_synthetic_keypoints_are_judged_in_their_crop(network: Network) -> None:
    sample = synthetic_sample(network, 3)
    mixture, size = unseen_categories(network.config.inputs), network.config.image_size
    is_right, category = [], []
    for index in range(3):
        example = mixture[index]
        arrays = (example.query, example.support, example.support_keypoints, example.support_visible)
        query, support, keypoints, visible = (torch.from_numpy(array)[None] for array in arrays)
        reference = torch.from_numpy(example.structure["reference_index"])[None]
        with torch.inference_mode():
            points = network(normalize(query), normalize(support), keypoints, visible, reference)[-1, 0]
        for k in range(example.num_keypoints):
            if example.query_visible[k] and example.support_visible[0, k]:
                error = math.dist(points[k].tolist(), example.query_keypoints[k].tolist()) * size
                is_right.append(error < 0.1 * size / 1.25)  # the box's longer side is 1 / 1.25 of the crop's
                category.append(index)
    assert sample.is_right.tolist() == is_right
    assert sample.category.tolist() == category


def test_nothing_to_tell_apart(network: Network, pairs: list[Pair]) -> None:
    far = [
        dataclasses.replace(p, query=dataclasses.replace(p.query, keypoints_px=p.query.keypoints_px + 1e4))
        for p in pairs
    ]
    with pytest.raises(ValueError, match=r"all \d+ keypoints are wrong"):
        calibrate(network, far, synthetic=0)


@pytest.mark.slow
def test_a_file_keeps_its_notes(
    network: Network, pairs: list[Pair], tmp_path: Path, data_folder: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(network, path, notes={"recipe": "tiny"})
    calibrate_file(path, pairs, synthetic=5)
    assert bool(load_model(path).confidence.calibrated)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["recipe"] == "tiny"
    picture = tmp_path / "reliability.png"
    command = [str(path), "--data", str(data_folder), "--pairs", "4", "--synthetic", "5"]
    assert main([*command, "--picture", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_command_says_what_is_wrong(
    tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(tmp_path / "none.safetensors"), "--data", str(data_folder)])
    assert left.value.code == 1
    assert "none.safetensors" in capsys.readouterr().err
