# SPDX-License-Identifier: Apache-2.0
"""Make the score honest: a logistic regression of "this keypoint is right" on what the network saw.

Only `Estimator.confidence` changes, and `Network.presence` where it is asked for; no keypoint moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from fmmp_train.calibration.evidence import UNSEEN_SEED, Sample, join, pair_sample, synthetic_sample
from fmmp_train.calibration.windows import Scene, pair_scenes, synthetic_scenes, window_samples
from fmmp_train.checkpoint.files import CONFIG_KEY, load_model, save_model
from fmmp_train.evaluation import trust
from fmmp_train.evaluation.pairs import Pair
from fmmp_train.evaluation.report.charts import draw_reliability, save_figure
from fmmp_train.evaluation.trust import Bin
from fmmp_train.model import Network
from fmmp_train.model.estimator import Estimator

SYNTHETIC = 100  # categories, beside those of the pairs
_RIDGE = 0.005  # of the mean loss, on standardised evidence: no infinite weights where data is separable
_MIN_SPREAD = 0.05  # of evidence: one that hardly varies gets no weight that half precision could not hold
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class Calibration:
    """How honest the score is on the pairs: expected calibration errors, over ten bins of equal width."""

    before: float
    after: float  # on the keypoints it was fitted to
    held_out: float  # each category scored by a fit to all others
    right: float  # share of keypoints that are right
    reliability_before: tuple[Bin, ...]
    reliability: tuple[Bin, ...]  # of the held-out scores
    presence: PresenceTrust | None = None  # None: left as it was


@dataclass(frozen=True)
class PresenceTrust:
    """How well presence tells windows around the object from all others, each scored by a fit to others."""

    auroc: float
    error: float  # expected calibration error
    windows: int


def calibrate(
    network: Estimator, pairs: Sequence[Pair], *, synthetic: int = SYNTHETIC, scenes: int = 0
) -> Calibration:
    """Fit the network's confidence, in place, to annotated pairs and to synthetic categories it never saw.

    Validation sets have few categories, and a fit to them alone takes what tells those apart for what tells
    right from wrong. Every category weighs the same, so many synthetic ones say how much each piece of
    evidence counts. The errors are those on `pairs`.

    Args:
        network: whose `confidence` is fitted.
        pairs: of categories it did not learn from.
        synthetic: how many synthetic categories; 0, none.
        scenes: how many synthetic categories to look for in whole frames, beside the pairs. Fits the presence
            of an FMMP network, and its score also to what is seen beside the object; 0, not.

    Raises:
        ValueError: all keypoints are right, or all wrong: there is nothing to tell apart.
    """
    judged = pair_sample(network, pairs)
    if judged.is_right.all() or not judged.is_right.any():
        raise ValueError(
            f"all {len(judged.is_right)} keypoints are {'right' if judged.is_right[0] else 'wrong'}: "
            "calibration needs some of both"
        )
    sample = join(judged, synthetic_sample(network, synthetic)) if synthetic else judged
    presence = None
    if scenes and isinstance(network, Network):
        windows, keypoints = window_samples(network, _scenes(network, pairs, scenes), _rng())
        presence = _fit_presence(network, windows)
        sample = join(sample, keypoints)
    confidence = network.confidence
    before = (judged.evidence @ confidence.weight.double().cpu() + confidence.bias.double().cpu()).sigmoid()
    weight, bias = fit(sample)
    held_out = _held_out(sample, judged)
    confidence.weight.copy_(weight)
    confidence.bias.copy_(bias)
    confidence.calibrated.fill_(True)
    return Calibration(
        before=calibration_error(before, judged),
        after=calibration_error((judged.evidence @ weight + bias).sigmoid(), judged),
        held_out=calibration_error(held_out, judged),
        right=float((judged.weight * judged.is_right).sum()),
        reliability_before=tuple(reliability(before, judged)),
        reliability=tuple(reliability(held_out, judged)),
        presence=presence,
    )


def _scenes(network: Network, pairs: Sequence[Pair], count: int) -> Iterator[Scene]:
    """Those of the pairs, then those of synthetic categories, with numbers of their own."""
    yield from pair_scenes(network, pairs, _rng())
    first = len({pair.category_id for pair in pairs})
    for scene in synthetic_scenes(network, count, _rng()):
        yield scene._replace(category=first + scene.category)


def _fit_presence(network: Network, windows: Sample) -> PresenceTrust:
    """Fit presence in place; judged with every category scored by a fit to all others."""
    held_out = _held_out(windows, windows)
    weight, bias = fit(windows)
    network.presence.weight.copy_(weight)
    network.presence.bias.copy_(bias)
    network.presence.calibrated.fill_(True)
    return PresenceTrust(
        auroc=trust.auroc(held_out.numpy(), windows.is_right.numpy()),
        error=calibration_error(held_out, windows),
        windows=len(held_out),
    )


def _rng() -> np.random.Generator:
    return np.random.default_rng(UNSEEN_SEED)


def fit(sample: Sample) -> tuple[Tensor, Tensor]:
    """Weighted logistic regression by Newton's method in float64: weight (E,) and bias ()."""
    mean = sample.evidence.mean(0)
    spread = sample.evidence.std(0).clamp(min=_MIN_SPREAD)
    inputs = functional.pad((sample.evidence - mean) / spread, (0, 1), value=1.0)  # (N, E + 1)
    target = sample.is_right.double()
    share = sample.weight
    ridge = torch.full((inputs.shape[1],), _RIDGE, dtype=torch.float64)
    ridge[-1] = 0  # the bias is free
    solution = torch.zeros_like(ridge)

    def loss(at: Tensor) -> Tensor:
        entropy = functional.binary_cross_entropy_with_logits(inputs @ at, target, reduction="none")
        return (share * entropy).sum() + (ridge * at.square()).sum() / 2

    for _ in range(_NEWTON_STEPS):
        score = (inputs @ solution).sigmoid()
        gradient = inputs.mT @ (share * (score - target)) + ridge * solution
        curvature = inputs.mT @ ((share * score * (1 - score))[:, None] * inputs) + ridge.diag()
        curvature += 1e-12 * torch.eye(len(ridge), dtype=torch.float64)
        step = torch.linalg.solve(curvature, gradient)
        length = 1.0
        while loss(solution - length * step) > loss(solution) and length > 1e-6:
            length /= 2
        solution = solution - length * step
        if float(gradient.abs().max()) < 1e-10:
            break
    weight = solution[:-1] / spread
    return weight, solution[-1] - (weight * mean).sum()


def reliability(score: Tensor, sample: Sample) -> list[Bin]:
    """Share that is right at each level of the score, every category of the sample weighing the same."""
    return trust.reliability(score.numpy(), sample.is_right.numpy(), sample.weight.numpy())


def calibration_error(score: Tensor, sample: Sample) -> float:
    """Expected calibration error of a score, every category of the sample weighing the same."""
    return trust.calibration_error(reliability(score, sample))


def _held_out(sample: Sample, judged: Sample) -> Tensor:
    """(N,) scores of each category of `judged`, which `sample` starts with, by a fit to all others."""
    score = torch.zeros(len(judged.category), dtype=torch.float64)
    for number in set(judged.category.tolist()):
        inside = judged.category == number
        others = sample.category != number
        weight, bias = fit(sample.only(others) if others.any() else sample)  # a lone one has no others
        score[inside] = (judged.evidence[inside] @ weight + bias).sigmoid()
    return score


def calibrate_file(
    path: Path, pairs: Sequence[Pair], *, synthetic: int = SYNTHETIC, scenes: int = 0, device: str = "cpu"
) -> Calibration:
    """Calibrate a `.safetensors` checkpoint of ours in place; its notes stay.

    Raises:
        OSError: it can't be read or written.
        ValueError: it is none, or see `calibrate`.
    """
    network = load_model(path).to(device)
    with safe_open(path, framework="pt") as file:
        notes = {key: value for key, value in (file.metadata() or {}).items() if key != CONFIG_KEY}
    result = calibrate(network, pairs, synthetic=synthetic, scenes=scenes)
    save_model(network, path, notes=notes)
    return result


def draw(result: Calibration, path: Path) -> None:
    """Draw the reliability diagram before and after, the latter held out.

    Raises:
        OSError: the file can't be written.
    """
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    bins = {
        f"before: calibration error {result.before:.3f}": list(result.reliability_before),
        f"after, held out: {result.held_out:.3f}": list(result.reliability),
    }
    draw_reliability(axes, bins)
    axes.legend(loc="upper left", fontsize=9)
    save_figure(figure, path)
