# SPDX-License-Identifier: Apache-2.0
"""Figure 5: where the last layer's deformable attention reads, in the support and in the query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fmmp_runtime.media.draw import draw_attention, draw_errors, draw_pose
from fmmp_runtime.media.image import Image
from fmmp_runtime.media.sheet import draw_sheet
from fmmp_train.evaluation.pairs import Pair, prepare
from fmmp_train.figures.crops import SIDE, crop
from fmmp_train.model import Network
from fmmp_train.model.estimator import locate_crops
from fmmp_train.model.fmmp.orientation import turn_keypoints
from fmmp_train.model.fmmp.structure import Plan


class Reads(NamedTuple):
    """What one attention module reads for every keypoint, all heads, levels and points in a row."""

    locations: Tensor  # (B, K, R, 2) in [0, 1]
    weights: Tensor  # (B, K, R), sums to 1
    reference_points: Tensor  # (B, K, M, 2) in [0, 1]; the first is the keypoint itself


@contextmanager
def record_reads(module: nn.Module, spatial_shapes: Tensor) -> Iterator[list[Reads]]:
    """Yield a list that gets an entry for each call of an attention module; nothing stays behind in it.

    Args:
        module: `structure` of a miner, of either kind.
        spatial_shapes: (L, 2) H, W.
    """
    calls: list[Reads] = []

    def note(_: nn.Module, inputs: tuple[Any, ...], __: Tensor) -> None:
        plan, reference_points, _memory = inputs
        calls.append(reads_of(plan, reference_points, spatial_shapes))

    handle = module.register_forward_hook(note)
    try:
        yield calls
    finally:
        handle.remove()


def reads_of(plan: Plan, reference_points: Tensor, spatial_shapes: Tensor) -> Reads:
    """Locations and weights of a plan: with M times M heads, M of them share a reference point."""
    heads = plan.offsets.shape[2]
    around = reference_points.repeat_interleave(heads // reference_points.shape[2], dim=2)
    cells_xy = spatial_shapes.flip(-1)  # (L, 2): (H, W) -> (W, H)
    locations = around[:, :, :, None, None] + plan.offsets / cells_xy[:, None]
    weights = plan.logits.flatten(-2).softmax(-1) / heads
    return Reads(locations.flatten(2, 4), weights.flatten(2), reference_points)


@torch.inference_mode()
def attention_figure(network: Network, pairs: Sequence[Pair], keypoint: int | None = None) -> Image:
    """A row for each pair: reads in the support, reads in the query, and the answer with its error.

    Args:
        network: whose last layer is looked into.
        pairs: one shot.
        keypoint: index; None: the visible one with the most links.

    Raises:
        ValueError: no such keypoint.
    """
    config = network.config
    network.eval()
    panels = []
    for pair in pairs:
        chosen = _choose(pair, keypoint)
        crops = prepare([pair], config.inputs)
        shapes = network.spatial_shapes
        miners = network.support_miners[-1], network.query_miners[-1]
        with (
            record_reads(miners[0].structure, shapes) as in_support,  # type: ignore[arg-type]  # a Module
            record_reads(miners[1].structure, shapes) as in_query,  # type: ignore[arg-type]
        ):
            points = locate_crops(network, crops.inputs).points[-1, 0]
        remembered, seen = crop(pair.supports[0]), crop(pair.query)
        turn = _turn(in_support[-1], torch.from_numpy(crops.inputs["keypoints"]), config.image_size)
        turned = np.ascontiguousarray(np.rot90(remembered.image, turn))
        title = f"{pair.category}, point {chosen}: support" + (f", turned by {90 * turn}" if turn else "")
        panels.append((title, _draw_reads(turned, in_support[-1], chosen)))
        panels.append(("query", _draw_reads(seen.image, in_query[-1], chosen)))
        panels.append(
            (
                "found, and the way to the truth",
                _draw_answer(seen.image, points, seen.keypoints, chosen, pair),
            )
        )
    return draw_sheet(panels, height=340, columns=3)


def _choose(pair: Pair, keypoint: int | None) -> int:
    count = len(pair.visible)
    if keypoint is not None:
        if not 0 <= keypoint < count:
            raise ValueError(f"category {pair.category_id} has keypoints 0 to {count - 1}, no {keypoint}")
        return keypoint
    degree = np.bincount(pair.links.ravel(), minlength=count)[:count]
    return int(np.where(pair.visible, degree, -1).argmax())


def _turn(reads: Reads, keypoints: Tensor, size: int) -> int:
    """Quarters by which the network has turned the support that it chose."""
    views = turn_keypoints(keypoints[:, 0], 4, size)[0]  # (4, K, 2)
    distance = (views - reads.reference_points[:1, :, 0]).abs().sum((-1, -2))
    return int(distance.argmin())


def _draw_reads(image: Image, reads: Reads, chosen: int) -> Image:
    locations, weights, around = (part[0, chosen].double().numpy() for part in reads)
    return draw_attention(image, locations * SIDE, weights, around[0] * SIDE)


def _draw_answer(
    image: Image, points: Tensor, truth: npt.NDArray[np.float64], chosen: int, pair: Pair
) -> Image:
    found = points[: len(truth)].double().numpy() * SIDE
    only = np.arange(len(truth)) == chosen
    arrows = draw_errors(image, found, truth, only & pair.visible)
    return draw_pose(arrows, found, only, [])
