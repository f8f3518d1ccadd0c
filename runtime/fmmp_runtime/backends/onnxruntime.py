# SPDX-License-Identifier: Apache-2.0
"""Run a bundle on the CPU with ONNX Runtime."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from fmmp_runtime import operators
from fmmp_runtime.backends import Answers, BackendError, Query
from fmmp_runtime.backends.external import external_tensors
from fmmp_runtime.backends.states import StateCache, States
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import WEIGHTS_FILE
from fmmp_runtime.media.image import warp

# Gives convolutions of 8 bits a bias of 32 bits, by way of half where their scales are half: infinity, often.
WRONG_OPTIMIZERS = ["WeightBiasQuantization"]
OPERATORS = b"DeformableAttention"  # in the name of each operator of the library, as graphs spell it
JOINED_STATES = 4  # groups of states that stay joined for the batch graphs


class OnnxRuntimeBackend:
    """One session a graph, from bytes that were checked: who overwrites a file changes nothing that runs.

    A graph that is loaded later, when it is first asked for, is compared with its hash again.
    Threads wait in a spin for the next node and the next frame, but for those of the support graph, which is
    asked beside the query graph and seldom: two pools that spin double its time.
    A pool of the whole process would forbid the host program sessions of its own, so there is none.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Prepare; `threads` None takes one a physical core.

        Raises:
            BackendError: the operator library is there and does not load.
        """
        self._bundle = bundle
        self._threads = threads
        self._sessions: dict[str, ort.InferenceSession] = {}
        self._loading = threading.Lock()
        self._joined = StateCache(_join, JOINED_STATES)
        self._operator, kernel = _kernel(bundle)
        self.description = f"ONNX Runtime {ort.__version__} on the CPU; deformable attention by {kernel}"

    def load(self, *graphs: str) -> None:
        """Make the sessions of graphs now.

        Raises:
            BackendError: a graph cannot be loaded.
            BundleError: it has changed since the bundle was opened.
        """
        if all(graph in self._sessions for graph in graphs):
            return  # first, so that no frame waits while another graph is loaded
        with self._loading:
            weights = self._bundle.read(WEIGHTS_FILE)
            for graph in graphs:
                if graph not in self._sessions:
                    self._sessions[graph] = self._open(graph, weights)

    def run(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run a graph on named arrays; all of its outputs by name.

        Raises:
            BackendError: the graph cannot be loaded, or the inputs are not its own.
        """
        session = self._session(graph)
        names = [tensor.name for tensor in self._bundle.model.graphs[graph].outputs]
        try:
            return dict(zip(names, session.run(names, dict(inputs)), strict=True))
        except Exception as error:  # ONNX Runtime's errors have no class in common
            raise BackendError(f"ONNX Runtime cannot run {self._bundle.graph(graph)}: {error}") from error

    def locate(self, queries: Sequence[Query]) -> Answers:
        """Crop on the host and run the query graph for so many frames.

        Raises:
            BackendError: the graph cannot be loaded or run.
        """
        size = self._bundle.model.image_size
        crops = np.empty((len(queries), size, size, 3), np.uint8)
        for crop, query in zip(crops, queries, strict=True):
            warp(query.frame, query.matrix, size, out=crop)
        states = tuple(query.state for query in queries)
        tensors = states[0].tensors if len(states) == 1 else self._joined.get(states)
        answer = self.run(self._bundle.model.batches[len(queries)], {"query": crops, **tensors})
        return Answers(answer["points"], answer["score"], answer.get("presence"))

    def _session(self, graph: str) -> ort.InferenceSession:
        self.load(graph)
        return self._sessions[graph]

    def _open(self, graph: str, weights: bytes) -> ort.InferenceSession:
        content = self._bundle.read(self._bundle.model.graphs[graph].file)
        try:
            options = self._options(spin=graph != "support")
            tensors = external_tensors(content, weights)
            values = [ort.OrtValue.ortvalue_from_numpy(tensor) for tensor in tensors.values()]
            options.add_external_initializers(list(tensors), values)  # copied into the session
            return ort.InferenceSession(
                content, options, ["CPUExecutionProvider"], disabled_optimizers=WRONG_OPTIMIZERS
            )
        except Exception as error:  # likewise
            raise BackendError(
                f"ONNX Runtime {ort.__version__} cannot load {self._bundle.graph(graph)}: {error}"
            ) from error

    def _options(self, *, spin: bool) -> ort.SessionOptions:
        options = ort.SessionOptions()
        options.log_severity_level = 3  # errors; they are raised as well
        options.intra_op_num_threads = self._threads or 0  # 0: ONNX Runtime counts the cores
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spin else "0")
        if self._operator is not None:
            options.register_custom_ops_library(str(self._operator))
        return options


def _kernel(bundle: Bundle) -> tuple[Path | None, str]:
    """The operator library, if the bundle's graphs have a use for it, and what people are told."""
    if OPERATORS not in bundle.read(bundle.model.graphs["query"].file):
        return None, "standard operators, as it was exported"
    try:
        library = operators.library("onnxruntime")
    except FileNotFoundError as error:
        return None, f"the graph's own definition, which is slower ({error})"
    return library, f"the compiled operator {library}"


def _join(states: States) -> dict[str, NDArray[Any]]:
    """The states of several frames, one behind the other, as a batch graph takes them."""
    return {name: np.concatenate([state.tensors[name] for state in states]) for name in states[0].tensors}
