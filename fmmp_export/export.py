# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to a bundle that was checked."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir

from fmmp_export import bundle
from fmmp_export.graph import writer
from fmmp_export.graph.half import to_half
from fmmp_export.graph.operator import FMMP, NVIDIA, Msda
from fmmp_export.graph.parts import query_part, support_part
from fmmp_export.graph.quantise import quantise, sample_activations
from fmmp_export.graph.repack import repack
from fmmp_export.graph.search_parts import search_parts
from fmmp_export.parity import verify
from fmmp_export.parity.examples import COUNT, draw_calibration, draw_examples
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import Model, Precision, Target
from fmmp_runtime.media.image import Image
from fmmp_train.checkpoint.files import load_model
from fmmp_train.checkpoint.systems import SYSTEMS, name_of
from fmmp_train.model import Estimator
from fmmp_train.model.fmmp.search import can_search
from fmmp_train.model.images import MEAN, STD

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
    target: Target = "cpu",
    batches: Sequence[int] = (),
    msda: Msda = "fmmp",
    data: Path | None = None,
    links_from: int | None = None,
) -> Export:
    """Write the bundle of a checkpoint, after comparing it with the checkpoint on real crops.

    Args:
        checkpoint: released `.pth`, or ours.
        out: folder to make; a bundle that is there is replaced once the new one has passed.
        precision: of the heavy parts; "int8" is the backbone alone, the rest being float32 for a CPU and half
            for a GPU.
        shots: S, support images.
        keypoints: K after padding; None is the checkpoint's own, 70 for the released ones.
        target: what the arithmetic is ordered for, see `repack`.
        batches: numbers of frames, 2 or more, for which there shall be a query graph too.
        msda: the deformable attention as our operator, as NVIDIA's plugin, or in standard operators.
        data: MP-100-style folder to compare on its validation split; None takes a few photographs that an
            installed package ships.
        links_from: 0 or 1, the number of the first keypoint in its skeletons; None: as its file says.

    Raises:
        OSError: the checkpoint or the data can't be read, or `out` not written.
        ValueError: the checkpoint is broken, `out` is no bundle, or the result differs too much.
    """
    started = time.monotonic()
    bundle.check_free(out)
    network = with_keypoints(load_model(checkpoint), keypoints)
    log.info("a checkpoint of %s: %s", SYSTEMS[name_of(network)].title, network.config.to_json())
    examples, names = draw_examples(
        network.config.inputs, shots=shots, data=data, count=COUNT, links_from=links_from
    )
    models = build_graphs(
        network,
        precision=precision,
        shots=shots,
        target=target,
        batches=batches,
        msda=msda,
        calibration=draw_calibration(network.config.inputs) if precision == "int8" else (),
    )
    with bundle.new_folder(out) as folder:
        writer.write(models, folder)
        verify.make_reference(network, examples).save(folder)
        model = bundle.describe(
            network,
            models,
            folder,
            name=out.name,
            shots=shots,
            target=target,
            precision=precision,
            source=checkpoint,
        )
        log.info("comparing with torch")
        parity = verify.measure(network, Bundle(path=folder, model=model), examples, names)
        verify.check(parity, precision, model.answer)
        model = dataclasses.replace(model, parity=verify.as_json(parity))
        model.write(folder)
    return Export(
        path=out,
        model=model,
        num_nodes={name: graph.graph.num_nodes() for name, graph in models.items()},
        seconds=time.monotonic() - started,
    )


def build_graphs(
    network: Estimator,
    *,
    precision: Precision,
    shots: int,
    target: Target = "cpu",
    batches: Sequence[int] = (),
    msda: Msda = "fmmp",
    calibration: Sequence[Image] = (),
) -> dict[str, ir.Model]:
    """The graphs of a network, in memory: `pair`, `support`, `query`, and `query_batch<N>` for each batch.

    Where there is a search for it, `template` and `search` too.

    `calibration` are crops that show what values the backbone's activations take; "int8" needs some.

    Raises:
        ValueError: a part of `network` can't be in a graph; or `msda` is none of ours and `target` is "cpu",
            whose operator has no other name.
    """
    if target == "cpu" and msda != "fmmp":
        raise ValueError(f"msda {msda!r} goes with target 'gpu': for a CPU there is our operator alone")
    if network.host_step is not None:
        raise ValueError(
            f"{type(network).__name__} can't be exported yet: {network.host_step} is made between two halves "
            "of its support, and no graph can make it; fmmp-eval takes the checkpoint as it is"
        )
    packed = repack(network, target)
    log.info("tracing the support graph")
    support = writer.trace(support_part(packed, shots=shots, mean=MEAN, std=STD))
    queries = {}
    for batch in (1, *batches):
        name = query_name(batch)
        log.info("tracing the graph %s", name)
        queries[name] = writer.trace(query_part(packed, shots=shots, mean=MEAN, std=STD, batch=batch))
    if precision == "int8":
        log.info("looking at the backbone's activations on %d crops", len(calibration))
        activations = sample_activations(queries["query"], calibration)
        for model in (support, *queries.values()):
            quantise(model, activations, target)
    searches = {}
    if can_search(network):
        log.info("tracing the graphs of the search")
        parts = search_parts(network, shots=shots, mean=MEAN, std=STD)
        searches = {name: writer.trace(part) for name, part in parts.items()}
    is_half = precision == "fp16" or (precision == "int8" and target == "gpu")
    return assemble(support, queries, searches, half=is_half, msda=msda)


def query_name(batch: int) -> str:
    """What the query graph for so many frames is called in a bundle."""
    return "query" if batch == 1 else f"query_batch{batch}"


def assemble(
    support: ir.Model,
    queries: Mapping[str, ir.Model],
    searches: Mapping[str, ir.Model],
    *,
    half: bool,
    msda: Msda,
) -> dict[str, ir.Model]:
    """What was traced -> all graphs, ready to be written; it is changed."""
    if half:
        half_value = msda != "nvidia"
        half_state = to_half(support, half_value=half_value)
        for query in queries.values():
            to_half(query, half_inputs=half_state, half_value=half_value)
        for search in searches.values():
            to_half(search)
    pair = writer.join(support, queries["query"])
    models = {"pair": pair, "support": support, **queries, **searches}
    for name, model in models.items():
        writer.finish(model, name, OPERATORS[msda])
    return models


def with_keypoints(network: Estimator, keypoints: int | None) -> Estimator:
    """The same network for another K, which no weight depends on.

    Raises:
        ValueError: K is below 1, or the weights are made for one K.
    """
    inputs = network.config.inputs
    if keypoints is None or keypoints == inputs.max_keypoints:
        return network
    if inputs.fixed_keypoints:
        raise ValueError(
            f"this {type(network).__name__}'s weights are made for K = {inputs.max_keypoints} keypoints, "
            f"padding included: leave out --keypoints {keypoints}"
        )
    other = type(network)(dataclasses.replace(network.config, max_keypoints=keypoints))
    other.load_state_dict(network.state_dict())
    return other.eval()
