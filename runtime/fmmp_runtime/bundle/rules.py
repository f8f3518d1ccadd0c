# SPDX-License-Identifier: Apache-2.0
"""What a model.json must keep to beyond its types, before anything is allocated or opened for it.

The C++ runtime keeps to the same rules. tests/golden/model_rules.json holds the limits and a lie against each
rule, which both readers must refuse: a rule is changed there, here and in runtime/cpp/src/bundle/rules.cpp.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from fmmp_runtime.bundle.engines import TITLES
from fmmp_runtime.bundle.specs import (
    BATCH_GRAPH,
    GRAPHS,
    SEARCH_GRAPHS,
    WEIGHTS_FILE,
    BundleError,
    GraphSpec,
    Model,
    SearchSpec,
    TensorSpec,
)

# Smallest and largest of what is multiplied into sizes of memory; nobody's network comes near the largest.
LIMITS: Mapping[str, tuple[float, float]] = {
    "keypoints": (1, 4096),
    "shots": (1, 256),
    "batch": (1, 1),
    "image_size": (1, 4096),
    "crop_padding": (0.01, 100),
    "heads": (1, 256),  # columns of the reference index
    "layers": (1, 256),  # rows of the answer
    "frames": (1, 256),  # of a query graph
    "rank": (0, 8),  # axes of a tensor
    "elements": (1, 2**28),  # of all inputs and outputs of one graph
}
DTYPES = ("uint8", "bool", "float16", "float32", "int32", "int64")
COLOURS = 3
MAX_NAME = 255  # bytes of a file's name
_SHA256 = re.compile(r"[0-9a-f]{64}")

Tensors = Sequence[TensorSpec]


def check(model: Model) -> None:
    """Refuse a description that contradicts itself, or asks for more than anyone needs.

    Raises:
        BundleError: names the key or the graph, what was expected and what came.
    """
    for key in ("keypoints", "shots", "batch", "image_size", "crop_padding"):
        _check_limit(key, getattr(model, key))
    for key in ("mean", "std"):
        if len(getattr(model, key)) != COLOURS:
            raise BundleError(f"{key} must be {COLOURS} numbers, got {len(getattr(model, key))}")
    _check_files(model)
    _check_names(model)
    for graph in model.graphs.values():
        _check_memory(graph)
    _check_shapes(model)
    for count, name in model.batches.items():
        _check_limit("frames", count, name)
        _check_batch(model.graphs["query"], model.graphs[name], count)


def _check_limit(what: str, found: float, where: str = "") -> None:
    low, high = LIMITS[what]
    if not low <= found <= high:
        raise BundleError(f"{where}{': ' if where else ''}{what} must be {low:g} to {high:.9g}, got {found}")


def _check_files(model: Model) -> None:
    for name in (*model.files, *(engine.file for engine in model.engines)):
        parts = PurePosixPath(name).parts
        inside = parts and not name.startswith("/") and ".." not in parts and "\\" not in name
        if not inside or not name.isprintable() or any(len(part.encode()) > MAX_NAME for part in parts):
            raise BundleError(f"files may only name files of the bundle, got {name[:MAX_NAME]!r}")
    hashes = {f"files.{name}": digest for name, digest in model.files.items()}
    hashes |= {f"engines[{i}].sha256": engine.sha256 for i, engine in enumerate(model.engines)}
    for where, digest in hashes.items():
        if not _SHA256.fullmatch(digest):
            raise BundleError(f"{where} must be a SHA-256 of 64 hexadecimal digits, got {digest[:80]!r}")
    for number, engine in enumerate(model.engines):
        if engine.backend not in TITLES:
            where = f"engines[{number}].backend"
            raise BundleError(f"{where} must be one of {', '.join(TITLES)}, got {engine.backend!r}")


def _check_names(model: Model) -> None:
    missing = [name for name in GRAPHS if name not in model.graphs]
    if missing:
        raise BundleError(f"graphs lacks {missing[0]!r}, expected {', '.join(GRAPHS)}")
    for name in model.graphs:
        if name not in (*GRAPHS, *SEARCH_GRAPHS) and not BATCH_GRAPH.fullmatch(name):
            known = f"{', '.join((*GRAPHS, *SEARCH_GRAPHS))} and query_batchN"
            raise BundleError(f"unknown graph {name!r}; known are {known}")
    if len({model.search is not None, *(name in model.graphs for name in SEARCH_GRAPHS)}) > 1:
        raise BundleError(f"the graphs {' and '.join(SEARCH_GRAPHS)} go with a key 'search': all or none")
    if WEIGHTS_FILE not in model.files:
        raise BundleError(f"files lacks {WEIGHTS_FILE!r}, which holds the weights of all graphs")
    for graph in model.graphs.values():
        if graph.file not in model.files:
            raise BundleError(f"{graph.file} is a graph, but files gives no hash of it")


def _check_memory(graph: GraphSpec) -> None:
    """Types that are known, names that are told apart, and not more memory than anyone has."""
    total = 0
    for tensors in (graph.inputs, graph.outputs):
        names = [tensor.name for tensor in tensors]
        if len(set(names)) < len(names) or "" in names:
            raise BundleError(f"{graph.file} must give each input and output a name of its own, has {names}")
        for tensor in tensors:
            if tensor.dtype not in DTYPES:
                where = f"{graph.file} has {tensor.name}"
                raise BundleError(f"{where} as {tensor.dtype!r}, known are {', '.join(DTYPES)}")
            _check_limit("rank", len(tensor.shape), f"{graph.file} {tensor.name}")
            for size in tensor.shape:
                _check_limit("elements", size, f"{graph.file} {tensor.name}")
            total += math.prod(tensor.shape)
    _check_limit("elements", total, graph.file)


def _check_shapes(model: Model) -> None:
    """Whether the graphs take and give what the numbers of model.json say, and what one another gives."""
    pair, support, query = (model.graphs[name] for name in GRAPHS)
    shots, keypoints, size = model.shots, model.keypoints, model.image_size
    structure, heads = model.inputs.structure, model.inputs.num_heads
    layers = (query.shape("points") or [0])[0]
    _check_limit("layers", layers, f"{query.file} points")
    annotation = [
        TensorSpec(name="support", dtype="uint8", shape=[1, shots, size, size, COLOURS]),
        TensorSpec(name="keypoints", dtype="float32", shape=[1, shots, keypoints, 2]),
        TensorSpec(name="visible", dtype="bool", shape=[1, shots, keypoints]),
    ]
    if structure == "reference_index":
        _check_limit("heads", heads, f"{support.file} {structure}")
        annotation.append(TensorSpec(name=structure, dtype="int64", shape=[1, shots, keypoints, heads]))
    elif structure == "adjacency":
        annotation.append(TensorSpec(name=structure, dtype="bool", shape=[1, shots, keypoints, keypoints]))
    frame = [TensorSpec(name="query", dtype="uint8", shape=[1, size, size, COLOURS])]
    points = TensorSpec(name="points", dtype="float32", shape=[layers, 1, keypoints, 2])
    answers = [points, TensorSpec(name="score", dtype="float32", shape=[1, keypoints])]
    if any(tensor.name == "presence" for tensor in query.outputs):  # older bundles have none
        answers.append(TensorSpec(name="presence", dtype="float32", shape=[1]))
    _check_tensors(support.file, support.inputs, annotation)
    _check_tensors(query.file, query.inputs, [*frame, *support.outputs])
    _check_tensors(query.file, query.outputs, answers)
    _check_tensors(pair.file, pair.inputs, [*frame, *annotation])
    _check_tensors(pair.file, pair.outputs, answers)
    if model.search is not None:
        _check_search(model, model.search, annotation[:3])


def _check_search(model: Model, search: SearchSpec, annotation: Tensors) -> None:
    """Likewise of the graphs that find: a square frame, and a square answer of each view at each level."""
    template, graph = (model.graphs[name] for name in SEARCH_GRAPHS)
    side = (graph.shape("frame") or [0, 0])[1]
    levels, views = [tensor.shape[-1] for tensor in graph.outputs if tensor.shape], len(search.mirrored)
    frame = [
        TensorSpec(name="frame", dtype="uint8", shape=[1, side, side, COLOURS]),
        TensorSpec(name="extent", dtype="float32", shape=[1, 2]),
    ]
    fits = [
        TensorSpec(name=f"fit_{level}", dtype="float32", shape=[1, views, cells, cells])
        for level, cells in enumerate(levels)
    ]
    _check_tensors(template.file, template.inputs, annotation)
    _check_tensors(graph.file, graph.inputs, [*frame, *template.outputs])
    _check_tensors(graph.file, graph.outputs, fits)
    if len(search.box_sides) != len(fits) or not all(0 < box <= 100 for box in search.box_sides):
        raise BundleError(f"search.box_sides must be {len(fits)} sides of 0 to 100, got {search.box_sides}")


def _check_tensors(file: str, found: Tensors, expected: Tensors) -> None:
    """The same tensors in the same order: TensorRT and the support state go by it."""
    for ours, theirs in zip(found, expected, strict=False):
        if ours != theirs:
            raise BundleError(f"{file} has {_text(ours)}, expected {_text(theirs)}")
    if len(found) != len(expected):
        names = [tensor.name for tensor in found], [tensor.name for tensor in expected]
        raise BundleError(f"{file} has {', '.join(names[0])}, expected {', '.join(names[1])}")


def _check_batch(query: GraphSpec, batch: GraphSpec, count: int) -> None:
    """Whether a graph is the query graph for `count` frames: every input and each answer that many times."""
    _check_tensors(batch.file, batch.inputs, [_times(tensor, count) for tensor in query.inputs])
    _check_tensors(batch.file, batch.outputs, [_times(tensor, count) for tensor in query.outputs])


def _times(tensor: TensorSpec, count: int) -> TensorSpec:
    """The same for `count` frames: their axis is the second of points (L, N, K, 2), the first of others."""
    shape = list(tensor.shape)
    if not shape:
        raise BundleError(f"{tensor.name} of a query graph has no axis for its frames")
    shape[1 if tensor.name == "points" else 0] *= count
    return TensorSpec(name=tensor.name, dtype=tensor.dtype, shape=shape)


def _text(tensor: TensorSpec) -> str:
    return f"{tensor.name} as {tensor.dtype} {tensor.shape}"
