# SPDX-License-Identifier: Apache-2.0
"""What an estimator saw when it located keypoints, and whether it was right: what a score is calibrated on.

Right is an error below `CORRECT_WITHIN` of the longer box side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fmmp_runtime.pose import CORRECT_WITHIN, CROP_PADDING, InputConfig, sanitize_box, transform_points
from fmmp_train.data.examples.dataset import Mixture, collate, deployment_options, stack_crops
from fmmp_train.data.examples.sources import SyntheticSource
from fmmp_train.evaluation.pairs import Pair, prepare
from fmmp_train.model.estimator import Estimator, locate_crops

_BATCH = 16
UNSEEN_SEED = 0x5EED  # of synthetic categories; there are 2^40, so no training run meets these


class Sample(NamedTuple):
    """Located keypoints, N of them."""

    evidence: Tensor  # (N, E) float64
    is_right: Tensor  # (N,) bool
    category: Tensor  # (N,) int64, a number for each

    @property
    def weight(self) -> Tensor:
        """(N,) float64, sums to 1: every category weighs the same."""
        counts = self.category.bincount().double()
        weight: Tensor = 1 / ((counts > 0).sum() * counts[self.category])
        return weight

    def only(self, rows: Tensor) -> Sample:
        """The keypoints of a mask."""
        return Sample(self.evidence[rows], self.is_right[rows], self.category[rows])


def pair_sample(estimator: Estimator, pairs: Sequence[Pair]) -> Sample:
    """Locate the keypoints of all pairs; those that count for PCK are kept."""
    estimator.eval()
    config = estimator.config.inputs
    names = dict.fromkeys((pair.category_id, pair.category) for pair in pairs)  # two data sets may share ids
    numbers = {name: number for number, name in enumerate(names)}
    parts = []
    for start in range(0, len(pairs), _BATCH):
        chunk = pairs[start : start + _BATCH]
        crops = prepare(chunk, config)
        located = locate_crops(estimator, crops.inputs)
        for row, pair in enumerate(chunk):
            shown = torch.from_numpy(pair.visible).nonzero()[:, 0]
            truth = torch.from_numpy(transform_points(pair.query.keypoints_px, crops.matrices[row]))
            found = located.points[-1, row, : len(truth)].double().cpu() * config.image_size  # crop pixels
            box = sanitize_box(pair.query.box_xywh, pair.query.image_size_hw)
            side = box[2:].max() * np.linalg.norm(crops.matrices[row, :, 0])  # of the box, crop pixels
            is_right = (found - truth).norm(dim=-1) < CORRECT_WITHIN * side
            number = torch.full_like(shown, numbers[pair.category_id, pair.category])
            parts.append((located.evidence[row].double().cpu()[shown], is_right[shown], number))
    return Sample(*(torch.cat(column) for column in zip(*parts, strict=True)))


def synthetic_sample(estimator: Estimator, count: int) -> Sample:
    """Locate the keypoints of `count` synthetic categories that no training run meets, a pair of each."""
    estimator.eval()
    config = estimator.config.inputs
    mixture = unseen_categories(config)
    parts = []
    for start in range(0, count, _BATCH):
        examples = [mixture[index] for index in range(start, min(start + _BATCH, count))]
        batch = collate(examples)
        located = locate_crops(estimator, stack_crops(examples))
        error = (located.points[-1].cpu() - batch.query_keypoints).norm(dim=-1)  # of the crop's side
        shown = batch.query_visible & batch.support_visible.all(1)
        shown &= torch.arange(config.max_keypoints) < batch.num_keypoints[:, None]
        number = torch.arange(start, start + len(shown))[:, None].expand_as(shown)
        evidence = located.evidence.double().cpu()
        parts.append((evidence[shown], error[shown] < CORRECT_WITHIN / CROP_PADDING, number[shown]))
    return Sample(*(torch.cat(column) for column in zip(*parts, strict=True)))


def unseen_categories(config: InputConfig) -> Mixture:
    """Synthetic pairs as an estimator reads them at deployment; always the same ones."""
    return Mixture([(SyntheticSource(), 1.0)], deployment_options(config), UNSEEN_SEED)


def join(first: Sample, second: Sample) -> Sample:
    """Both; the categories of `second` are numbered after those of `first`."""
    shift = int(first.category.max()) + 1
    return Sample(
        torch.cat((first.evidence, second.evidence)),
        torch.cat((first.is_right, second.is_right)),
        torch.cat((first.category, second.category + shift)),
    )
