# SPDX-License-Identifier: Apache-2.0
"""Training examples: a stream that is a pure function of (seed, index), so it can be resumed anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from fmmp_runtime.pose import InputConfig, Inputs, Method, Structure, pad_alike, stack_inputs
from fmmp_train.data.examples.augment import check_chances, flip
from fmmp_train.data.examples.sources import Draw, Source
from fmmp_train.data.links import bridge_links

_ATTEMPTS = 50


class Example(NamedTuple):
    """One question with its answer. S shots, K padded keypoints, K_c the category's own, M heads."""

    query: NDArray[np.uint8]  # (size, size, 3) RGB
    support: NDArray[np.uint8]  # (S, size, size, 3) RGB
    support_keypoints: NDArray[np.float32]  # (S, K, 2) in [0, 1]
    support_visible: NDArray[np.bool_]  # (S, K)
    query_keypoints: NDArray[np.float32]  # (K, 2) in [0, 1]
    query_visible: NDArray[np.bool_]  # (K,)
    structure: (
        Inputs  # of `stack_inputs`, by its name: reference_index (S, K, M), adjacency (S, K, K) or none
    )
    links: NDArray[np.int64]  # (E', 2): the category's, then the padded chains of the last support
    num_keypoints: int  # K_c: the first are the category's own
    category: int  # id within its source
    source: int  # index of the source

    @property
    def inputs(self) -> Inputs:
        """What the whole graph of an estimator takes, with a batch of one."""
        own: Inputs = {"query": self.query, "support": self.support}
        own |= {"keypoints": self.support_keypoints, "visible": self.support_visible}
        return {name: array[None] for name, array in (own | self.structure).items()}


class Batch(NamedTuple):
    """Examples as tensors; images stay uint8."""

    query: torch.Tensor  # (B, size, size, 3) uint8
    support: torch.Tensor  # (B, S, size, size, 3) uint8
    support_keypoints: torch.Tensor  # (B, S, K, 2)
    support_visible: torch.Tensor  # (B, S, K) bool
    query_keypoints: torch.Tensor  # (B, K, 2)
    query_visible: torch.Tensor  # (B, K) bool
    reference_index: torch.Tensor  # (B, S, K, M) int64
    links: torch.Tensor  # (B, E, 2) int64, rows of -1 after the last
    num_keypoints: torch.Tensor  # (B,) int64
    category: torch.Tensor  # (B,) int64
    source: torch.Tensor  # (B,) int64


@dataclass(frozen=True, kw_only=True)
class ExampleOptions:
    """Shape of the examples, and what is drawn anew in each."""

    image_size: int = 256  # pixels
    max_keypoints: int = 70  # K
    num_heads: int = 8  # M
    shots: int = 1  # S
    padding: Method = "mixup"
    structure: Structure | None = "reference_index"  # the form in which the network reads the links
    alpha: float = 1.0  # of mixup
    subset_chance: float = 0.3  # of using only some of the keypoints; always where there are more than K
    min_keypoints: int = 4  # of a subset
    shuffle: bool = True  # keypoints and links in random order
    flip_chance: float = 0.5  # of mirroring support and query together

    def __post_init__(self) -> None:
        """Refuse counts and chances that are none."""
        for name in ("shots", "min_keypoints"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.alpha > 0:
            raise ValueError(f"alpha must be above 0, got {self.alpha}")
        check_chances(self, "subset_chance", "flip_chance")

    @property
    def inputs(self) -> InputConfig:
        """What the network reads of a support, beside the image."""
        return InputConfig(
            image_size=self.image_size,
            max_keypoints=self.max_keypoints,
            padding=self.padding,
            structure=self.structure,
            num_heads=self.num_heads,
        )


def deployment_options(config: InputConfig, shots: int = 1) -> ExampleOptions:
    """Examples as an estimator reads them at deployment: padded its way, no keypoint dropped or moved."""
    return ExampleOptions(
        image_size=config.image_size,
        max_keypoints=config.max_keypoints,
        num_heads=config.num_heads,
        shots=shots,
        padding=config.padding,
        structure=config.structure,
        subset_chance=0,
        shuffle=False,
        flip_chance=0,
    )


def make_example(
    draw: Draw, options: ExampleOptions, rng: np.random.Generator, source: int = 0
) -> Example | None:
    """Assemble the example of a draw: choose and order keypoints, pad them, find the reference indices.

    Args:
        draw: `options.shots` supports, then the query.
        options: see there.
        rng: the only source of randomness.
        source: index to note.

    Returns:
        None where no keypoint shows both in the query and in a support: there is nothing to learn.
    """
    chosen, links = _choose_keypoints(draw, options, rng)
    views = [v._replace(keypoints_px=v.keypoints_px[chosen], visible=v.visible[chosen]) for v in draw.views]
    *supports, query = views
    if not (query.visible & np.logical_or.reduce([v.visible for v in supports])).any():
        return None
    if rng.random() < options.flip_chance:
        views = [flip(view) for view in views]
    padded = pad_alike(
        [(view.keypoints_px / options.image_size, view.visible) for view in views],
        links,
        options.max_keypoints,
        options.padding,
        alpha=options.alpha,
        rng=rng,
    )
    inputs = stack_inputs(padded[:-1], options.inputs)
    return Example(
        query=views[-1].image,
        support=np.stack([view.image for view in views[:-1]]),
        support_keypoints=inputs.pop("keypoints"),
        support_visible=inputs.pop("visible"),
        query_keypoints=padded[-1][0],
        query_visible=padded[-1][1],
        structure=inputs,
        links=padded[-2][2],
        num_keypoints=len(chosen),
        category=draw.category,
        source=source,
    )


def _choose_keypoints(
    draw: Draw, options: ExampleOptions, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the keypoints to use, in their new order, and the links between them."""
    total = len(draw.views[0].visible)
    kept, links = np.arange(total), draw.links
    count = min(total, options.max_keypoints)
    if total > options.min_keypoints and rng.random() < options.subset_chance:
        count = int(rng.integers(min(options.min_keypoints, count), count + (count < total)))
    if count < total:
        kept = np.sort(rng.choice(total, count, replace=False))
    if options.shuffle:
        kept, links = rng.permutation(kept), rng.permutation(links)
        links = np.where(rng.random((len(links), 1)) < 0.5, links, links[:, ::-1])
    place = np.full(total, -1)
    place[kept] = np.arange(len(kept))
    return kept, bridge_links(links, place)


class Mixture:
    """An endless sequence of examples from several sources.

    Example `index` is a pure function of (seed, index): any worker can make it, and a resumed run continues
    the very same stream.

    Args:
        sources: each with its weight; the weights need not sum to one.
        options: of all examples.
        seed: of the stream.

    Raises:
        ValueError: no source, or a weight that is not positive.
    """

    def __init__(self, sources: Sequence[tuple[Source, float]], options: ExampleOptions, seed: int) -> None:
        if not sources or any(not weight > 0 for _, weight in sources):
            raise ValueError(f"a mixture needs sources with positive weights, got {[w for _, w in sources]}")
        self.sources = [source for source, _ in sources]
        self.options, self.seed = options, seed
        weights = np.array([weight for _, weight in sources], float)
        self._bounds = np.cumsum(weights / weights.sum())

    def __getitem__(self, index: int) -> Example:
        """Make example `index`, at least 0.

        Raises:
            ValueError: a source gave nothing usable in many attempts.
        """
        rng = np.random.default_rng((self.seed, index))
        chosen = min(int(np.searchsorted(self._bounds, rng.random(), side="right")), len(self.sources) - 1)
        source = self.sources[chosen]
        for _ in range(_ATTEMPTS):
            draw = source.draw(rng, self.options.shots, self.options.image_size)
            example = make_example(draw, self.options, rng, chosen)
            if example is not None:
                return example
        raise ValueError(
            f"source {source.name!r}: {_ATTEMPTS} draws, no support shared a visible keypoint with its query"
        )


def stack_crops(examples: Sequence[Example]) -> Inputs:
    """What the whole graph of an estimator takes of examples of one shape, batched."""
    rows = [example.inputs for example in examples]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def collate(examples: Sequence[Example]) -> Batch:
    """Stack examples of one shape, with reference indices, into the tensors that FMMP is trained on."""
    most = max(len(example.links) for example in examples)
    links = np.full((len(examples), most, 2), -1, np.int64)
    for row, example in zip(links, examples, strict=True):
        row[: len(example.links)] = example.links
    columns: dict[str, NDArray[np.generic]] = {
        name: np.stack([np.asarray(getattr(example, name)) for example in examples])
        for name in Batch._fields
        if name not in ("links", "reference_index")
    }
    columns |= {"links": links, "reference_index": stack_crops(examples)["reference_index"]}
    return Batch(**{name: torch.from_numpy(column) for name, column in columns.items()})
