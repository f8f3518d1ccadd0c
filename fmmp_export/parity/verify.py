# SPDX-License-Identifier: Apache-2.0
"""Whether a bundle gives what its checkpoint gives: ONNX Runtime against torch, layer by layer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fmmp_export.graph.search_parts import TEMPLATE_INPUTS
from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.reference import Reference
from fmmp_runtime.bundle.specs import Answer, Precision
from fmmp_runtime.parity import (
    PCK_THRESHOLD,
    Difference,
    Share,
    cached_limit,
    faults,
    limits,
    search_limit,
    summarise,
)
from fmmp_runtime.pose import pck
from fmmp_train.data.examples.dataset import Example, stack_crops
from fmmp_train.model import Network
from fmmp_train.model.estimator import Estimator, locate_crops
from fmmp_train.model.fmmp.search import Search, can_search
from fmmp_train.model.images import normalize

Feed = dict[str, NDArray[Any]]
BACKEND = "onnxruntime-cpu"
BATCH = 8  # examples that torch gets at once
REFERENCES = 2  # examples that stay in the bundle
CACHED = 4  # examples that also go through the support and the query graphs


class ParityError(ValueError):
    """A bundle that does not give what its checkpoint gives."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Differences between a bundle and torch in float32, over all layers unless said otherwise."""

    max_px: float  # last layer
    p99_px: float  # last layer
    per_layer_max: list[float]  # in [0, 1]
    state_max: float  # support and query graphs against the pair graph, in [0, 1]
    score_max: float
    search_max: float  # of the search graph's answer, a cosine
    pck_torch: float  # at PCK_THRESHOLD, in percent
    pck_bundle: float
    pairs: int  # of images, that PCK is of
    keypoints: int  # compared in PCK
    examples: list[str]  # what they were drawn from


def measure(network: Estimator, bundle: Bundle, examples: Sequence[Example], names: Sequence[str]) -> Parity:
    """Run both on `examples` and compare.

    Args:
        network: in eval mode.
        bundle: of it.
        examples: at least one, each with the bundle's shots and padded to its K.
        names: what the examples were drawn from, for the record.
    """
    size, padding = bundle.model.image_size, bundle.model.crop_padding
    expected, scores = run_torch(network, examples)  # (L, examples, K, 2), (examples, K)
    backend = OnnxRuntimeBackend(bundle, threads=1)  # no pool, whose threads would spin against torch's
    differences, score_differences = [], []
    hits = []  # PCK of torch and of the bundle for each example
    remembered = []  # what the query graphs are given, and what the pair graph answered
    for index, example in enumerate(examples):
        inputs = example.inputs
        found = backend.run("pair", inputs)
        if index < CACHED:
            query = {"query": inputs.pop("query")}
            remembered.append((query | backend.run("support", inputs), found["points"]))
        truth = expected[:, index]
        differences.append(np.abs(found["points"][:, 0].astype(np.float64) - truth))
        score_differences.append(found["score"][0] - scores[index])
        hits.append(
            [example_pck(points, example, size, padding) for points in (truth[-1], found["points"][-1, 0])]
        )
    difference = np.stack(differences, axis=1)  # (L, examples, K, 2)
    apart = summarise(difference, np.stack(score_differences), size)
    pck_torch, pck_bundle = np.mean(hits, axis=0) * 100
    return Parity(
        max_px=apart.max_px,
        p99_px=apart.p99_px,
        per_layer_max=apart.per_layer_max,
        state_max=_cached_difference(backend, bundle, remembered),
        score_max=apart.score_max,
        search_max=_search_difference(backend, network, examples[0]),
        pck_torch=float(pck_torch),
        pck_bundle=float(pck_bundle),
        pairs=len(examples),
        keypoints=int(sum(scored(example).sum() for example in examples)),
        examples=list(names),
    )


def _cached_difference(
    backend: OnnxRuntimeBackend, bundle: Bundle, remembered: Sequence[tuple[Feed, NDArray[np.float32]]]
) -> float:
    """Largest difference of a query graph's points, for any number of frames at once, to the pair graph's."""
    largest = 0.0
    for count, name in bundle.model.batches.items():
        for start in range(0, len(remembered), count):
            rows = [remembered[(start + row) % len(remembered)] for row in range(count)]
            feed = {key: np.concatenate([inputs[key] for inputs, _ in rows]) for key in rows[0][0]}
            expected = np.concatenate([points for _, points in rows], axis=1)
            largest = max(largest, float(np.abs(backend.run(name, feed)["points"] - expected).max()))
    return largest


@torch.inference_mode()
def _search_difference(backend: OnnxRuntimeBackend, network: Estimator, example: Example) -> float:
    """Largest difference of the search graph's answer to torch's, in a frame full of the query crop."""
    if not isinstance(network, Network) or not can_search(network):
        return 0.0
    search = Search(network).eval()
    crops = -(-search.sides[0] // len(example.query))
    frame = np.tile(example.query, (crops, crops, 1))[None, : search.sides[0], : search.sides[0]]
    extent = np.array([[0.75, 1.0]], np.float32)
    inputs = {name: array for name, array in example.inputs.items() if name in TEMPLATE_INPUTS}
    given = {name: torch.from_numpy(array) for name, array in inputs.items()}
    sought = search.look_at(normalize(given["support"]), given["keypoints"], given["visible"])
    expected = search(normalize(torch.from_numpy(frame)), torch.from_numpy(extent), sought)
    found = backend.run("search", {"frame": frame, "extent": extent, **backend.run("template", inputs)})
    return max(
        float(np.abs(ours - theirs.numpy()).max())
        for ours, theirs in zip(found.values(), expected, strict=True)
    )


def make_reference(network: Estimator, examples: Sequence[Example]) -> Reference:
    """The first of `examples` with the answers of `network`, to be kept in its bundle."""
    chosen = examples[:REFERENCES]
    points, score = run_torch(network, chosen)
    inputs = [example.inputs for example in chosen]
    return Reference(
        **{name: np.concatenate([each[name] for each in inputs]) for name in inputs[0]},
        points=points,
        score=score,
    )


def check(parity: Parity, precision: Precision, answer: Answer = "points") -> None:
    """Refuse a bundle that is too far off.

    Raises:
        ParityError: says which number was expected and which came.
    """
    difference = Difference(
        max_px=parity.max_px,
        p99_px=parity.p99_px,
        per_layer_max=parity.per_layer_max,
        score_max=parity.score_max,
    )
    share = Share(torch=parity.pck_torch, bundle=parity.pck_bundle, pairs=parity.pairs)
    checks = [
        *limits(precision, difference, share, answer),
        cached_limit(precision, parity.state_max),
        search_limit(precision, parity.search_max),
    ]
    if found := faults(checks):
        raise ParityError(
            f"the {precision} graph does not give what the checkpoint gives, so nothing was written: "
            + "; ".join(found)
            + ("" if precision == "fp32" else f"; export without --{precision}")
        )


def as_json(parity: Parity) -> dict[str, dict[str, Any]]:
    """The `parity` entry of model.json."""
    return {BACKEND: asdict(parity)}


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """On a shared machine threads that wait in a spin cost torch many times what they give."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def run_torch(
    network: Estimator, examples: Sequence[Example]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of every layer (L, examples, K, 2) and scores (examples, K)."""
    points, scores = [], []
    for start in range(0, len(examples), BATCH):
        located = locate_crops(network, stack_crops(examples[start : start + BATCH]))
        points.append(located.points.numpy())
        scores.append(located.score.numpy())
    return np.concatenate(points, axis=1), np.concatenate(scores)


def scored(example: Example) -> NDArray[np.bool_]:
    """The category's own keypoints (K_c,) that show in the query and in every support."""
    shown = example.query_visible & example.support_visible.all(0)
    return np.asarray(shown[: example.num_keypoints])


def example_pck(
    points: NDArray[np.floating],
    example: Example,
    size: int,
    padding: float,
    threshold: float = PCK_THRESHOLD,
) -> float:
    """PCK of points (K, 2) in [0, 1] of the query crop."""
    count = example.num_keypoints
    side = size / padding  # of the object's box, in pixels of the crop
    return pck(
        points[:count] * size,
        example.query_keypoints[:count] * size,
        scored(example),
        (side, side),
        threshold,
    )
