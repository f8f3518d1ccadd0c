# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to a bundle that was checked."""

from __future__ import annotations

import dataclasses
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx_ir as ir

from fmmp_export import bundle, onnx_writer, verify
from fmmp_export.examples import COUNT, draw_examples
from fmmp_export.graphs import parts
from fmmp_export.operator_function import FMMP, NVIDIA, Msda
from fmmp_export.precision import to_half
from fmmp_runtime.bundle import Bundle, Model
from fmmp_train.checkpoint import load_model
from fmmp_train.images import MEAN, STD
from fmmp_train.model import Network

Precision = Literal["fp32", "fp16"]
OPERATORS = {"fmmp": FMMP, "nvidia": NVIDIA, "standard": None}

log = logging.getLogger("fmmp_export")


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was made."""

    path: Path
    model: Model
    num_nodes: dict[str, int]  # of each graph
    seconds: float


def export_bundle(
    checkpoint: Path,
    out: Path,
    *,
    precision: Precision = "fp32",
    shots: int = 1,
    keypoints: int | None = None,
    msda: Msda = "fmmp",
    data: Path | None = None,
) -> Export:
    """Write the bundle of a checkpoint, after comparing it with the checkpoint on real crops.

    Args:
        checkpoint: released `.pth`, or ours.
        out: folder to make; a bundle that is there is replaced once the new one has passed.
        precision: of the heavy parts.
        shots: S, support images.
        keypoints: K after padding; None is the checkpoint's own, 70 for the released ones.
        msda: the deformable attention as our operator, as NVIDIA's plugin, or in standard operators.
        data: MP-100-style folder to compare on its validation split; None takes a few photographs that an
            installed package ships.

    Raises:
        OSError: the checkpoint or the data can't be read, or `out` not written.
        ValueError: the checkpoint is broken, `out` is no bundle, or the result differs too much.
    """
    started = time.monotonic()
    bundle.check_free(out)
    network = with_keypoints(load_model(checkpoint), keypoints)
    examples, names = draw_examples(network.config, shots=shots, data=data, count=COUNT[precision])
    models = build_graphs(network, precision=precision, shots=shots, msda=msda)
    with bundle.new_folder(out) as folder:
        onnx_writer.write(models, folder)
        model = bundle.describe(
            network, models, folder, name=out.name, shots=shots, precision=precision, source=checkpoint
        )
        log.info("comparing with torch")
        parity = verify.measure(network, Bundle(path=folder, model=model), examples, names)
        verify.check(parity, precision)
        model = dataclasses.replace(model, parity=verify.as_json(parity))
        model.write(folder)
    return Export(
        path=out,
        model=model,
        num_nodes={name: graph.graph.num_nodes() for name, graph in models.items()},
        seconds=time.monotonic() - started,
    )


def build_graphs(
    network: Network, *, precision: Precision, shots: int, msda: Msda = "fmmp"
) -> dict[str, ir.Model]:
    """The graphs `pair`, `support` and `query` of a network, in memory."""
    traced = []
    for part in parts(network, shots=shots, mean=MEAN, std=STD):
        log.info("tracing the graph of %s", part.inputs[0])
        traced.append(onnx_writer.trace(part))
    return assemble(*traced, precision=precision, msda=msda)


def assemble(support: ir.Model, query: ir.Model, *, precision: Precision, msda: Msda) -> dict[str, ir.Model]:
    """Two traced halves -> the three graphs, ready to be written; the halves are changed."""
    if precision == "fp16":
        half_value = msda != "nvidia"
        half_state = to_half(support, half_value=half_value)
        to_half(query, half_inputs=half_state, half_value=half_value)
    models = {"pair": onnx_writer.join(support, query), "support": support, "query": query}
    for name, model in models.items():
        onnx_writer.finish(model, name, OPERATORS[msda])
    return models


def with_keypoints(network: Network, keypoints: int | None) -> Network:
    """The same network for another K, which no weight depends on.

    Raises:
        ValueError: K is below 1.
    """
    if keypoints is None or keypoints == network.config.max_keypoints:
        return network
    other = Network(dataclasses.replace(network.config, max_keypoints=keypoints))
    other.load_state_dict(network.state_dict())
    return other.eval()
