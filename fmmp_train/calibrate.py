# SPDX-License-Identifier: Apache-2.0
"""Make the score honest: a logistic regression of "this keypoint is right" on what the network saw.

Right is an error below `HIT` of the longer box side. Only `Network.confidence` changes; no keypoint moves.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from fmmp_runtime.pose import sanitize_box, transform_points
from fmmp_train.checkpoint import CONFIG_KEY, load_model, save_model
from fmmp_train.data import find_annotations, read_annotations
from fmmp_train.images import normalize
from fmmp_train.model import Network
from fmmp_train.model.confidence import HIT
from fmmp_train.pairs import Pair, draw_pairs, prepare

_RIDGE = 1e-3  # of the mean loss, on standardised evidence: keeps separable data from infinite weights
_MIN_SPREAD = 0.05  # of evidence: one that hardly varies gets no weight that half precision could not hold
_NEWTON_STEPS = 50
_BINS = 10


class Sample(NamedTuple):
    """Located keypoints, N of them."""

    evidence: Tensor  # (N, E) float64
    is_right: Tensor  # (N,) bool
    category: Tensor  # (N,) int64, a number for each
    weight: Tensor  # (N,) float64, sums to 1; every category weighs the same


class Bin(NamedTuple):
    """Keypoints with nearly the same score."""

    score: float  # mean
    right: float  # share that is right
    weight: float  # share of all keypoints


@dataclass(frozen=True)
class Calibration:
    """How honest the score is: expected calibration errors, over ten bins of equal width."""

    before: float
    after: float  # on the keypoints it was fitted to
    held_out: float  # each category scored by a fit to the others
    right: float  # share of keypoints that are right
    reliability: tuple[Bin, ...]  # of the held-out scores


def calibrate(network: Network, pairs: Sequence[Pair]) -> Calibration:
    """Fit the network's confidence to annotated pairs, in place.

    Raises:
        ValueError: all keypoints are right, or all wrong: there is nothing to tell apart.
    """
    sample = collect(network, pairs)
    right = float((sample.weight * sample.is_right).sum())
    if right in (0.0, 1.0) or bool(sample.is_right.all()) or not bool(sample.is_right.any()):
        raise ValueError(
            f"all {len(sample.is_right)} keypoints are {'right' if sample.is_right[0] else 'wrong'}: "
            "calibration needs some of both"
        )
    confidence = network.confidence
    before = (sample.evidence @ confidence.weight.double().cpu() + confidence.bias.double().cpu()).sigmoid()
    weight, bias = fit(sample)
    after = (sample.evidence @ weight + bias).sigmoid()
    held_out = _cross_fit(sample)
    confidence.weight.copy_(weight)
    confidence.bias.copy_(bias)
    confidence.calibrated.fill_(True)
    return Calibration(
        before=calibration_error(before, sample),
        after=calibration_error(after, sample),
        held_out=calibration_error(held_out, sample),
        right=right,
        reliability=tuple(reliability(held_out, sample)),
    )


@torch.inference_mode()
def collect(network: Network, pairs: Sequence[Pair], *, batch_size: int = 16) -> Sample:
    """Locate the keypoints of all pairs and note the evidence; only those that count for PCK are kept."""
    network.eval()
    device = next(network.parameters()).device
    config = network.config
    names = {(pair.category_id, pair.category): 0 for pair in pairs}  # ids of two data sets may be the same
    numbers = {name: number for number, name in enumerate(names)}
    evidence, is_right, category = [], [], []
    for start in range(0, len(pairs), batch_size):
        chunk = pairs[start : start + batch_size]
        crops = prepare(
            chunk,
            image_size=config.image_size,
            max_keypoints=config.max_keypoints,
            num_heads=config.num_heads,
        )
        query, support, *annotation = (torch.from_numpy(array).to(device) for array in crops[:5])
        state = network.support_state(normalize(support), *annotation)
        located = network.locate(normalize(query), state)
        for row, pair in enumerate(chunk):
            shown = torch.from_numpy(pair.visible).nonzero()[:, 0]
            truth = transform_points(pair.query.keypoints_px, crops.matrices[row])  # crop pixels
            found = located.points[-1, row, : len(truth)].double().cpu() * config.image_size
            error = (found - torch.from_numpy(truth)).norm(dim=-1)
            box = sanitize_box(pair.query.box_xywh, pair.query.image_size_hw)
            side = box[2:].max() * np.linalg.norm(crops.matrices[row, :, 0])  # of the box, crop pixels
            evidence.append(located.evidence[row].double().cpu()[shown])
            is_right.append((error < HIT * side)[shown])
            category.append(torch.full_like(shown, numbers[pair.category_id, pair.category]))
    categories = torch.cat(category)
    counts = categories.bincount(minlength=len(numbers)).double()
    weight = 1 / (int((counts > 0).sum()) * counts[categories])
    return Sample(torch.cat(evidence), torch.cat(is_right), categories, weight)


def fit(sample: Sample) -> tuple[Tensor, Tensor]:
    """Weighted logistic regression by Newton's method in float64: weight (E,) and bias ()."""
    mean = sample.evidence.mean(0)
    spread = sample.evidence.std(0).clamp(min=_MIN_SPREAD)
    inputs = functional.pad((sample.evidence - mean) / spread, (0, 1), value=1.0)  # (N, E + 1)
    target = sample.is_right.double()
    share = sample.weight / sample.weight.sum()
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
    """What share is right at each level of the score; bins without keypoints are left out."""
    number = (score * _BINS).long().clamp(max=_BINS - 1)
    bins = []
    for index in range(_BINS):
        share = sample.weight * (number == index)
        total = float(share.sum())
        if total > 0:
            right = float((share * sample.is_right).sum()) / total
            bins.append(Bin(float((share * score).sum()) / total, right, total))
    return bins


def calibration_error(score: Tensor, sample: Sample) -> float:
    """Expected calibration error: mean distance between score and share of right keypoints over the bins."""
    return sum(part.weight * abs(part.score - part.right) for part in reliability(score, sample))


def _cross_fit(sample: Sample) -> Tensor:
    """(N,) scores of each category by a fit to the other categories; to all, where there is only one."""
    score = torch.zeros_like(sample.weight)
    for number in set(sample.category.tolist()):
        inside = sample.category == number
        others = ~inside if bool((~inside).any()) else inside
        weight, bias = fit(Sample(*(column[others] for column in sample)))
        score[inside] = (sample.evidence[inside] @ weight + bias).sigmoid()
    return score


def calibrate_file(path: Path, pairs: Sequence[Pair]) -> Calibration:
    """Calibrate a `.safetensors` checkpoint of ours in place; its notes stay.

    Raises:
        OSError: it can't be read or written.
        ValueError: it is none, or see `calibrate`.
    """
    network = load_model(path)
    with safe_open(path, framework="pt") as file:
        notes = {key: value for key, value in (file.metadata() or {}).items() if key != CONFIG_KEY}
    result = calibrate(network, pairs)
    save_model(network, path, notes=notes)
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Calibrate a checkpoint: `python -m fmmp_train.calibrate MODEL --data DIR`."""
    parser = argparse.ArgumentParser(
        prog="fmmp_train.calibrate", description="Calibrate a checkpoint's score, in place."
    )
    parser.add_argument("model", type=Path, help=".safetensors checkpoint")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        action="append",
        metavar="DIR",
        help="has annotations/ and images/; may be given several times",
    )
    parser.add_argument("--split", default="val", help="of every folder (default: %(default)s)")
    parser.add_argument("--pairs", type=int, default=24, help="of a category (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        datasets = [read_annotations(find_annotations(folder, args.split)) for folder in args.data]
        pairs = [pair for dataset in datasets for pair in draw_pairs(dataset, per_category=args.pairs)]
        result = calibrate_file(args.model, pairs)
    except (OSError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(f"{result.right:.1%} of the keypoints are right (error below {HIT:g} of the longer box side)")
    errors = f"{result.before:.3f} before, {result.after:.3f} after, {result.held_out:.3f} held out"
    print(f"expected calibration error: {errors}")
    for part in result.reliability:
        print(f"score {part.score:.2f}: {part.right:.2f} right ({part.weight:.1%} of the keypoints)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
