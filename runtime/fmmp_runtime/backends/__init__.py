# SPDX-License-Identifier: Apache-2.0
"""What runs the graphs of a bundle; each backend is a module, imported when it is chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.bundle.engines import TITLES, differences
from fmmp_runtime.bundle.folder import Bundle

if TYPE_CHECKING:
    from fmmp_runtime.media.image import Image
    from fmmp_runtime.support_state import SupportState

NAMES = ("onnxruntime", "tensorrt", "tensorrt-rtx")


class BackendError(ValueError):
    """A backend that is unknown, or that cannot load or run a graph here."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Query:
    """One place in one frame, and the category to find there; all of it checked."""

    frame: "Image"  # (H, W, 3) RGB uint8
    matrix: NDArray[np.float64]  # (2, 3), frame pixels -> crop pixels
    state: "SupportState"


class Answers(NamedTuple):
    """What a query graph says of N frames; the caller's."""

    points: NDArray[Any]  # (L, N, K, 2) in [0, 1] of the crop
    score: NDArray[Any]  # (N, K)
    presence: NDArray[Any] | None  # (N,); None: an older bundle, which doesn't say


class Backend(Protocol):
    """Runs a graph of one bundle by its name. Any number of threads may use it at once."""

    description: str  # what was chosen, for people: versions, and which operator kernel

    def load(self, *graphs: str) -> None:
        """Get graphs ready, so that their first run takes no longer than the next."""
        ...

    def run(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run a graph on named arrays; all of its outputs by name."""
        ...

    def locate(self, queries: Sequence[Query]) -> Answers:
        """Crop and run the query graph for so many frames; their number is one of `Model.batches`."""
        ...


def create(name: str, bundle: Bundle, threads: int | None = None) -> Backend:
    """The backend `name`, or with "auto" the best one for this machine.

    "auto" takes TensorRT or TensorRT-RTX where the bundle has a query engine for this GPU and its package is
    installed, and ONNX Runtime otherwise; once taken, what fails there is an error.

    Raises:
        BackendError: there is no such backend, or it cannot load the bundle.
    """
    if name not in ("auto", *NAMES):
        raise BackendError(f"backend must be one of auto, {', '.join(NAMES)}, got {name!r}")
    passed_over = ""
    if name == "auto":
        name, passed_over = _best(bundle)
    if name != "onnxruntime":
        from fmmp_runtime.backends.tensorrt import TensorRtBackend

        return TensorRtBackend(bundle, name)
    from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend

    backend = OnnxRuntimeBackend(bundle, threads)
    backend.load("query", "support")
    backend.description += passed_over
    return backend


def _best(bundle: Bundle) -> tuple[str, str]:
    """The backend for this machine, and why the bundle's engines are passed over, if it has some."""
    reasons = []
    for name in TITLES:
        if (name, "query") not in {(engine.backend, engine.graph) for engine in bundle.model.engines}:
            continue
        found = obstacles(name, bundle)
        if not found:
            return name, ""
        reasons += found
    return "onnxruntime", f"; the bundle's engines are not used: {'; '.join(reasons)}" if reasons else ""


def obstacles(name: str, bundle: Bundle) -> list[str]:
    """Why this machine can't run the bundle's engines of backend `name`, all of it; empty: it can."""
    from fmmp_runtime.backends.tensorrt import engine_key, lacking

    if missing := lacking(name):
        return missing
    key = engine_key(name, "query")
    engines = [e for e in bundle.model.engines if (e.backend, e.graph) == (name, "query")]
    found = [differences(engine, key, bundle.built_from("query")) for engine in engines]
    if not all(found):
        return []
    built = " or ".join(", ".join(faults) for faults in found)
    return [f"they were built {built}, and here is {key.arch} with {TITLES[name]} {key.version}"]
