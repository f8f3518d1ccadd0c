# SPDX-License-Identifier: Apache-2.0
"""What PyTorch answers to a few crops, kept in a bundle: any machine can tell whether it gives the same."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fmmp_runtime.backends import Backend
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import REFERENCE_FILE, BundleError, Model
from fmmp_runtime.files import write_atomically
from fmmp_runtime.parity import Difference, summarise


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """N questions as the graphs take them, and the answers of PyTorch in float32."""

    query: NDArray[np.uint8]  # (N, size, size, 3)
    support: NDArray[np.uint8]  # (N, S, size, size, 3)
    keypoints: NDArray[np.float32]  # (N, S, K, 2)
    visible: NDArray[np.bool_]  # (N, S, K)
    reference_index: NDArray[np.int64] | None = None  # (N, S, K, M), where the network reads links so
    adjacency: NDArray[np.bool_] | None = None  # (N, S, K, K), likewise
    points: NDArray[np.float32]  # (L, N, K, 2) in [0, 1]
    score: NDArray[np.float32]  # (N, K)

    def save(self, folder: Path) -> None:
        """Write `REFERENCE_FILE` into the folder of a bundle."""
        held = {each.name: getattr(self, each.name) for each in fields(self)}
        tensors = {name: np.ascontiguousarray(array) for name, array in held.items() if array is not None}
        write_atomically(folder / REFERENCE_FILE, save(tensors))

    @classmethod
    def load(cls, bundle: Bundle) -> "Reference":
        """Read that of a bundle, whose hash was checked when it was opened.

        Raises:
            BundleError: it has none, or what is in it doesn't fit.
        """
        path = bundle.path / REFERENCE_FILE
        if REFERENCE_FILE not in bundle.model.files:
            raise BundleError(f"{bundle.path} has no {REFERENCE_FILE} to compare with: export it again")
        try:
            tensors = load_file(path)
        except (OSError, SafetensorError) as error:
            raise BundleError(f"{path} cannot be read: {error}; export the bundle again") from error
        names = {"query", "support", *bundle.model.inputs.names, "points", "score"}
        if set(tensors) != names:
            raise BundleError(f"{path} holds {sorted(tensors)}, expected {sorted(names)}: export it again")
        return cls(**tensors)

    def inputs(self, row: int) -> dict[str, NDArray[Any]]:
        """What the support graph takes of one question."""
        names = ("support", "keypoints", "visible", "reference_index", "adjacency")
        arrays = {name: getattr(self, name) for name in names}
        return {name: array[row : row + 1] for name, array in arrays.items() if array is not None}


def compare(backend: Backend, model: Model, reference: Reference, graph: str = "query") -> Difference:
    """Ask a backend the questions of `reference`, through the support graph and a query graph.

    Args:
        backend: of the bundle.
        model: of the bundle.
        reference: of the bundle.
        graph: "query", or that of a batch, which gets the questions repeated as often as it takes.
    """
    states = [backend.run("support", reference.inputs(row)) for row in range(len(reference.query))]
    count = model.graphs[graph].shape("query")[0]
    differences, score_differences = [], []
    for start in range(0, len(states), count):
        rows = [(start + place) % len(states) for place in range(count)]
        feed = {name: np.concatenate([states[row][name] for row in rows]) for name in states[0]}
        answer = backend.run(graph, {"query": reference.query[rows], **feed})
        differences.append(answer["points"].astype(np.float64) - reference.points[:, rows])
        score_differences.append(answer["score"] - reference.score[rows])
    return summarise(np.concatenate(differences, axis=1), np.concatenate(score_differences), model.image_size)
