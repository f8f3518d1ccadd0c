# SPDX-License-Identifier: Apache-2.0
"""What a network sees where it may look in a whole frame: around the object, half beside it, or nowhere near.

Presence is right where the square of a window and that of the object's box share half of what they cover. A
keypoint is right as everywhere else, whatever the window: where the object isn't, none is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fmmp_runtime.find import overlap
from fmmp_runtime.media.image import Image, warp
from fmmp_runtime.pose import (
    CORRECT_WITHIN,
    CROP_PADDING,
    crop_matrix,
    sanitize_box,
    support_inputs,
    transform_points,
)
from fmmp_train.calibration.evidence import UNSEEN_SEED, Sample
from fmmp_train.data.pictures import read_picture
from fmmp_train.data.tools.compose import draw_backdrop, paste
from fmmp_train.evaluation.pairs import Pair, prepare
from fmmp_train.model import Network
from fmmp_train.model.estimator import locate_crops
from fmmp_train.synthetic import SyntheticCategory
from fmmp_train.synthetic.bank import default_bank
from fmmp_train.synthetic.scene import draw_backdrop as draw_texture

FRAMED = 0.5  # intersection over union of two squares
FRAME_HW = (384, 512)  # pixels, of a scene that is made up
NEAR, ASIDE, AFAR = 2, 2, 8  # windows of a scene: around the object, partly, elsewhere
KEPT_AFAR = 2  # of those elsewhere, the ones that fit best: a search looks at no others

Array = NDArray[np.float64]


class Scene(NamedTuple):
    """A support, and a frame in which its object is or isn't."""

    category: int  # a number of its own
    support: dict[str, NDArray[Any]]  # inputs of the support graph, a batch of one
    frame: Image
    box: Array | None  # x, y, width, height; None: it isn't there
    keypoints: Array  # (K_c, 2) pixels; where it is
    shown: NDArray[np.bool_]  # (K_c,) in support and frame


def pair_scenes(network: Network, pairs: Sequence[Pair], rng: np.random.Generator) -> Iterator[Scene]:
    """Of each pair: its photograph, its object in one of another category, and that one alone."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(pair.category_id for pair in pairs))}
    for pair in pairs:
        inputs = prepare([pair], network.config.inputs).inputs
        support = {name: array for name, array in inputs.items() if name != "query"}
        number, image = numbers[pair.category_id], read_picture(pair.query)
        others = [other for other in pairs if other.category_id != pair.category_id]
        if others:
            photograph = read_picture(others[int(rng.integers(len(others)))].query)
        else:
            photograph = draw_texture(default_bank(), rng, max(FRAME_HW))
        backdrop = draw_backdrop(photograph, FRAME_HW, rng)
        composed, moved = paste(backdrop, image, pair.query, rng, (0.25, 0.6))
        for frame, query in ((image, pair.query), (composed, moved)):
            box = sanitize_box(query.box_xywh, query.image_size_hw)
            yield Scene(number, support, frame, box, query.keypoints_px.astype(np.float64), pair.visible)
        nowhere = np.zeros_like(moved.keypoints_px, np.float64)
        yield Scene(number, support, backdrop, None, nowhere, pair.visible)


def synthetic_scenes(network: Network, count: int, rng: np.random.Generator) -> Iterator[Scene]:
    """Of each of so many categories that no training run meets: with its object, and with another's."""
    config = network.config.inputs
    categories = [SyntheticCategory(UNSEEN_SEED + number) for number in range(count)]
    for number, category in enumerate(categories):
        example = category.render(rng, config.image_size)
        shots = [(example.keypoints_px / config.image_size, example.visible)]
        annotation = support_inputs(shots, category.links, config)
        support = {name: array[None] for name, array in annotation.items()}
        support["support"] = example.image[None, None]
        size = max(FRAME_HW)
        drawn = category.render(rng, size, scale=rng.uniform(0.35, 0.8))
        keypoints = drawn.keypoints_px.astype(np.float64)
        box = sanitize_box(drawn.box, (size, size))
        yield Scene(number, support, drawn.image, box, keypoints, drawn.visible & example.visible)
        other = categories[(number + 1) % count].render(rng, size, scale=rng.uniform(0.35, 0.8)).image
        yield Scene(number, support, other, None, keypoints, example.visible)


def window_samples(
    network: Network, scenes: Iterator[Scene], rng: np.random.Generator
) -> tuple[Sample, Sample]:
    """Look at windows of all scenes: samples of presence, one a window, and of keypoints."""
    network.eval()
    presence: list[tuple[Tensor, ...]] = []
    keypoints: list[tuple[Tensor, ...]] = []
    for scene in scenes:
        squares = draw_windows(scene, rng)
        located, matrices = _look(network, scene, squares)
        assert located.presence_evidence is not None
        framed = [scene.box is not None and overlap(each, _square(scene.box)) >= FRAMED for each in squares]
        rows = _kept(located.presence_evidence, len(squares))
        of_crop = located.presence_evidence.double().cpu()[rows]
        category = torch.tensor(scene.category)
        presence.append((of_crop, torch.tensor(framed)[rows], category.expand(len(rows))))
        shown = torch.from_numpy(scene.shown).nonzero()[:, 0]
        for row in rows:
            truth = transform_points(scene.keypoints, matrices[row])
            found = located.points[-1, row, : len(truth)].double().cpu() * network.config.image_size
            side = 0 if scene.box is None else scene.box[2:].max() * np.linalg.norm(matrices[row][:, 0])
            right = (found - torch.from_numpy(truth)).norm(dim=-1) < CORRECT_WITHIN * side
            evidence = located.evidence[row].double().cpu()[shown]
            keypoints.append((evidence, right[shown], category.expand(len(shown))))
    first, second = (
        Sample(*(torch.cat(column) for column in zip(*parts, strict=True))) for parts in (presence, keypoints)
    )
    return first, second


def draw_windows(scene: Scene, rng: np.random.Generator) -> list[Array]:
    """Squares x, y, side, side: those near the object, partly beside it, then those anywhere."""
    height, width = scene.frame.shape[:2]
    squares = []
    if scene.box is not None:
        for number in range(NEAR + ASIDE):
            near = number < NEAR
            zoom = np.exp(rng.uniform(-0.2, 0.2) if near else rng.choice([-1, 0, 1]) * rng.uniform(0.5, 0.9))
            angle = rng.uniform(0, 2 * np.pi)
            reach = rng.uniform(0, 0.12) if near else rng.uniform(0.4, 0.7) * (abs(np.log(zoom)) < 0.01)
            aside = reach * scene.box[2:].max() * np.array([np.cos(angle), np.sin(angle)])
            squares.append(_square(scene.box, zoom, aside))
    while len(squares) < NEAR + ASIDE + AFAR:
        side = max(height, width) * np.exp(rng.uniform(np.log(0.15), 0))
        corner = rng.uniform(0, 1, 2) * [width, height] - side / 2
        square = np.array([*corner, side, side])
        if scene.box is None or overlap(square, _square(scene.box)) < FRAMED / 2:
            squares.append(square)
    return squares


def _kept(presence_evidence: Tensor, count: int) -> list[int]:
    """Rows of all windows near the object, and of those anywhere that seem to hold it best."""
    near = list(range(count - AFAR)) if count > AFAR else []
    afar = torch.arange(max(count - AFAR, 0), count)
    best = presence_evidence[afar, 0].topk(KEPT_AFAR).indices  # fit, or likeness: the first evidence
    return near + afar[best.cpu()].tolist()


def _look(network: Network, scene: Scene, squares: Sequence[Array]) -> tuple[Any, list[Array]]:
    size = network.config.image_size
    matrices = [crop_matrix(square, size, CROP_PADDING) for square in squares]
    crops = np.stack([warp(scene.frame, matrix, size) for matrix in matrices])
    return locate_crops(network, {"query": crops, **scene.support}, np.zeros(len(crops), np.int64)), matrices


def _square(box: Array, zoom: float = 1.0, aside: Array | float = 0.0) -> Array:
    """The square around the middle of a box, of its longer side times `zoom`, moved by `aside`."""
    side = box[2:].max() * zoom
    corner = box[:2] + box[2:] / 2 - side / 2 + aside
    return np.array([*corner, side, side])
