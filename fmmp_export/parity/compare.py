# SPDX-License-Identifier: Apache-2.0
"""A checkpoint in torch beside the bundles made of it, on every backend that is here: `fmmp-parity`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fmmp_export.export import with_keypoints
from fmmp_export.graph.parts import query_part, support_part
from fmmp_export.graph.repack import repack
from fmmp_export.parity.examples import COUNT, draw_examples
from fmmp_export.parity.tensors import TensorError, compare_tensors
from fmmp_export.parity.verify import Feed, example_pck, run_torch
from fmmp_runtime.backends import NAMES, Backend, create, obstacles
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import BundleError
from fmmp_runtime.files import sha256
from fmmp_runtime.parity import Share, faults, limits, summarise
from fmmp_runtime.pose import THRESHOLDS
from fmmp_train.checkpoint.files import load_model
from fmmp_train.data.examples.dataset import Example
from fmmp_train.model import Estimator
from fmmp_train.model.images import MEAN, STD


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """A layer's points, against torch, over all examples and keypoints."""

    max_px: float
    p99_px: float
    mean_px: float
    pck_torch: list[float]  # at THRESHOLDS, percent
    pck: list[float]


@dataclass(frozen=True, kw_only=True)
class BackendParity:
    """One bundle on one backend."""

    backend: str  # its name
    description: str
    layers: list[LayerError]
    keypoint_max_px: list[float]  # (K,) of the last layer, over the examples; the first are a category's own
    keypoint_mean_px: list[float]
    score_max: float
    pairs: int  # of images, that PCK is of
    faults: list[str]  # what is beyond its limit; empty: it gives what the checkpoint gives


@dataclass(frozen=True, kw_only=True)
class GraphTensors:
    """The tensors of one graph, in ONNX Runtime, against the same ones in torch."""

    graph: str
    compared: int
    first: TensorError | None  # that leaves its tolerance; None: none does
    worst: TensorError


@dataclass(frozen=True, kw_only=True)
class BundleParity:
    """All that was compared of one bundle."""

    bundle: str
    precision: str
    backends: list[BackendParity]
    absent: dict[str, str]  # backend -> why it cannot run here
    tensors: list[GraphTensors]

    @property
    def passed(self) -> bool:
        """Whether some backend is here, and every one that is gives what the checkpoint gives."""
        return bool(self.backends) and not any(backend.faults for backend in self.backends)


def compare_bundle(
    checkpoint: Path,
    folder: Path,
    *,
    backends: Sequence[str] = (),
    data: Path | None = None,
    links_from: int | None = None,
) -> BundleParity:
    """Compare a bundle with its checkpoint.

    Args:
        checkpoint: that it was exported from.
        folder: the bundle.
        backends: names to run; none takes ONNX Runtime, and the others where the bundle has engines.
        data: as in `export_bundle`.
        links_from: likewise.

    Raises:
        OSError: a file is missing.
        ValueError: the bundle is of another checkpoint, a backend of `backends` is not here, or one that is
            here fails.
    """
    bundle = Bundle.open(folder)
    model = bundle.model
    digest = sha256(checkpoint)
    if digest != model.source.sha256:
        raise BundleError(
            f"{folder} was made of {model.source.file} (SHA-256 {model.source.sha256[:12]}), "
            f"{checkpoint} is {digest[:12]}: compare it with its own checkpoint, or export again"
        )
    network = with_keypoints(load_model(checkpoint), model.keypoints)
    precision = model.precision
    examples, _ = draw_examples(
        network.config.inputs, shots=model.shots, data=data, count=COUNT, links_from=links_from
    )
    truth, scores = run_torch(network, examples)
    found, absent = [], {}
    for name in backends or _mentioned(bundle):
        if not backends and name != "onnxruntime" and (reasons := obstacles(name, bundle)):
            absent[name] = "; ".join(reasons)
            continue
        backend = create(name, bundle, threads=1)
        points, score = _ask(backend, examples)
        found.append(_compare(name, backend.description, bundle, examples, truth, points, scores, score))
    return BundleParity(
        bundle=str(folder),
        precision=precision,
        backends=found,
        absent=absent,
        tensors=_compare_graphs(network, bundle, examples[0].inputs),
    )


def _mentioned(bundle: Bundle) -> list[str]:
    """ONNX Runtime, and what the bundle has engines for."""
    built = {engine.backend for engine in bundle.model.engines}
    return [name for name in NAMES if name == "onnxruntime" or name in built]


def _ask(backend: Backend, examples: Sequence[Example]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points (L, N, K, 2) and scores (N, K), the way a frame goes: support graph, then query graph."""
    answers = []
    for example in examples:
        inputs = example.inputs
        state = backend.run("support", {name: array for name, array in inputs.items() if name != "query"})
        answers.append(backend.run("query", {"query": inputs["query"], **state}))
    points = np.concatenate([answer["points"] for answer in answers], axis=1)
    return points, np.concatenate([answer["score"] for answer in answers])


def _compare(
    name: str,
    description: str,
    bundle: Bundle,
    examples: Sequence[Example],
    truth: NDArray[np.float32],
    points: NDArray[np.float32],
    scores: NDArray[np.float32],
    score: NDArray[np.float32],
) -> BackendParity:
    size, padding = bundle.model.image_size, bundle.model.crop_padding
    difference = points.astype(np.float64) - truth  # (L, N, K, 2)
    distance_px = np.linalg.norm(difference, axis=-1) * size  # (L, N, K)

    def percent(answers: NDArray[np.float32]) -> list[float]:
        pairs = list(zip(answers, examples, strict=True))
        hits = [[example_pck(a, e, size, padding, at) for at in THRESHOLDS] for a, e in pairs]
        shares: list[float] = (100 * np.mean(hits, axis=0)).tolist()
        return shares

    layers = [
        LayerError(
            max_px=float(px.max()),
            p99_px=float(np.percentile(px, 99)),
            mean_px=float(px.mean()),
            pck_torch=percent(expected),
            pck=percent(answers),
        )
        for px, expected, answers in zip(distance_px, truth, points, strict=True)
    ]
    last = layers[-1]
    apart = summarise(difference, score - scores, size)
    share = Share(torch=last.pck_torch[0], bundle=last.pck[0], pairs=len(examples))
    return BackendParity(
        backend=name,
        description=description,
        layers=layers,
        keypoint_max_px=distance_px[-1].max(0).tolist(),
        keypoint_mean_px=distance_px[-1].mean(0).tolist(),
        score_max=apart.score_max,
        pairs=len(examples),
        faults=faults(limits(bundle.model.precision, apart, share, bundle.model.answer)),
    )


def _compare_graphs(network: Estimator, bundle: Bundle, inputs: Feed) -> list[GraphTensors]:
    """Both graphs of a frame from the very same inputs: what one does wrong is not the other's error."""
    model = bundle.model
    packed = repack(network, model.target)
    given = {name: torch.from_numpy(array) for name, array in inputs.items()}
    support = support_part(packed, shots=model.shots, mean=MEAN, std=STD)
    query = query_part(packed, shots=model.shots, mean=MEAN, std=STD)
    with torch.inference_mode():
        state = support.module(*(given[name] for name in support.inputs))
    parts = {"support": (support, {name: given[name] for name in support.inputs})}
    parts["query"] = (query, {"query": given["query"], **state})
    return [
        _summary(graph, compare_tensors(part, bundle.graph(graph), feed, model.precision))
        for graph, (part, feed) in parts.items()
    ]


def _summary(graph: str, errors: Sequence[TensorError]) -> GraphTensors:
    return GraphTensors(
        graph=graph,
        compared=len(errors),
        first=next((error for error in errors if not error.passed), None),
        worst=max(errors, key=lambda error: error.error),
    )
