# SPDX-License-Identifier: Apache-2.0
"""What runs the graphs of a bundle; each backend is a module, imported when it is chosen."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from fmmp_runtime.bundle import Bundle

NAMES = ("onnxruntime",)


class BackendError(ValueError):
    """A backend that is unknown, or that cannot load or run a graph here."""


class Backend(Protocol):
    """Runs a graph of one bundle by its name."""

    description: str  # what was chosen, for people: versions, and which operator kernel

    def load(self, graph: str) -> None:
        """Get "pair", "support" or "query" ready, so that its first run takes no longer than the next."""
        ...

    def run(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run "pair", "support" or "query" on named arrays; all of its outputs by name."""
        ...


def create(name: str, bundle: Bundle, threads: int | None = None) -> Backend:
    """The backend `name`, or with "auto" the best one for this machine.

    Raises:
        BackendError: there is no such backend, or it cannot load the bundle.
    """
    if name not in ("auto", *NAMES):
        raise BackendError(f"backend must be one of auto, {', '.join(NAMES)}, got {name!r}")
    from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(bundle, threads)
