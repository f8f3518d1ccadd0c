# SPDX-License-Identifier: Apache-2.0
"""The bundle: a folder with graphs, weights, and the model.json that describes them; the home of its format.

The exporter fills these classes and writes them; the runtime reads them and refuses a file that changed.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from fmmp_runtime.bundle import engines
from fmmp_runtime.bundle.engines import EngineKey, EngineSpec
from fmmp_runtime.files import sha256, write_atomically
from fmmp_runtime.pose import Method

FORMAT = 2
MODEL_FILE = "model.json"
GRAPHS = ("pair", "support", "query")
BATCH_GRAPH = re.compile(r"query_batch([1-9]\d*)")  # the query graph for so many frames at once
WEIGHTS_FILE = "weights.bin"
REFERENCE_FILE = "reference.safetensors"  # what PyTorch answers to a few crops; no engine depends on it
TARGETS = ("cpu", "gpu")

T = TypeVar("T")


class BundleError(ValueError):
    """A bundle that is incomplete, changed, or of another format."""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """An input or output of a graph."""

    name: str
    dtype: str  # numpy's name: "uint8", "float32", "bool", ...
    shape: list[int]  # static


@dataclass(frozen=True, kw_only=True)
class GraphSpec:
    """One ONNX file of the bundle."""

    file: str
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]

    def shape(self, name: str) -> list[int]:
        """Shape of the input or output `name`."""
        for tensor in (*self.inputs, *self.outputs):
            if tensor.name == name:
                return tensor.shape
        raise BundleError(f"{self.file} has no input or output {name!r}")


@dataclass(frozen=True, kw_only=True)
class ScoreSpec:
    """What the confidence of a keypoint says."""

    calibrated: bool
    meaning: str


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """The checkpoint that was exported."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """The content of model.json: all that a runtime has to know about the network."""

    format: int
    name: str
    network: dict[str, Any]  # fields of the training side's ModelConfig; the runtime reads none of them
    keypoints: int  # K, after padding
    shots: int  # S
    batch: int
    target: str  # "cpu" or "gpu": what the order of the graphs' arithmetic is made for
    image_size: int  # side of a crop, pixels
    crop_padding: float  # side of the crop / longer side of the box
    mean: list[float]  # of RGB in [0, 1]; in the graphs already, here for the record
    std: list[float]
    precision: str  # "fp32", "fp16", or "int8": of the backbone
    opset: int
    graphs: dict[str, GraphSpec]  # pair, support, query; query_batch8, ...: all of N frames at once
    score: ScoreSpec
    source: SourceSpec
    versions: dict[str, str]  # of what made it
    files: dict[str, str]  # name -> SHA-256, of every file but model.json and the engines
    parity: dict[str, dict[str, Any]]  # backend -> errors against torch, in pixels
    engines: list[EngineSpec] = field(default_factory=list)  # may be added later
    padding: Method = "uniform"  # of a support's keypoints to K

    @property
    def heads(self) -> int:
        """M, the columns of the reference index."""
        return self.graphs["support"].shape("reference_index")[-1]

    @cached_property
    def batches(self) -> dict[int, str]:
        """Frames that one run of a query graph takes -> its name, the largest first; 1 is always there."""
        found = {int(match[1]): name for name in self.graphs if (match := BATCH_GRAPH.fullmatch(name))}
        return dict(sorted(({1: "query"} | found).items(), reverse=True))

    @cached_property
    def state_key(self) -> str:
        """SHA-256 of what a support state depends on: the graphs that make and read it, and the weights."""
        names = (self.graphs["support"].file, self.graphs["query"].file, WEIGHTS_FILE)
        return hashlib.sha256("".join(f"{name} {self.files[name]}\n" for name in names).encode()).hexdigest()

    @property
    def state_tensors(self) -> list[TensorSpec]:
        """The support state, in the order of the query graph's inputs."""
        return [tensor for tensor in self.graphs["query"].inputs if tensor.name != "query"]

    def to_json(self) -> str:
        """The text of model.json."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def write(self, folder: Path) -> None:
        """Write model.json into `folder`; the bundle's other files are there already."""
        write_atomically(folder / MODEL_FILE, self.to_json().encode())


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle on disk, whose files are what its model.json says."""

    path: Path
    model: Model

    @classmethod
    def open(cls, path: Path | str) -> "Bundle":
        """Read model.json and compare the hash of every file that it names.

        Raises:
            OSError: no such folder, or not readable.
            BundleError: says which file or key is wrong, and what to do.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"no bundle at {folder}: expected a folder with {MODEL_FILE} (fmmp-export writes one)"
            )
        file = folder / MODEL_FILE
        if not file.is_file():
            raise BundleError(f"{folder} is not a bundle: it has no {MODEL_FILE} (fmmp-export writes one)")
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BundleError(
                f"{file} is not JSON, so the bundle is broken: export it again ({error})"
            ) from error
        if not isinstance(content, dict):
            raise BundleError(f"{file} must hold a JSON object, got {type(content).__name__}")
        _check_format(file, content.get("format"))
        try:
            model = _parse(Model, content, "")
            _check(model)
        except BundleError as error:
            raise BundleError(f"{file}: {error}") from error
        _check_hashes(folder, model.files)
        return cls(path=folder, model=model)

    def graph(self, name: str) -> Path:
        """Path of the ONNX file of a graph, such as "query"."""
        return self.path / self.model.graphs[name].file

    def engine(self, key: EngineKey) -> Path:
        """Path of the engine for `key`, whose hash is checked now: nothing else needs it to be whole.

        Raises:
            EngineError: none fits, and why; or it is damaged.
        """
        return self.path / self.engine_spec(key).file

    def engine_spec(self, key: EngineKey) -> EngineSpec:
        """What model.json says of the engine that `engine` gives; raises as that does."""
        return engines.pick(self.path, self.model.engines, key, self.built_from(key.graph))

    def built_from(self, graph: str) -> dict[str, str]:
        """Files that the engine of a graph comes from, and their SHA-256."""
        others = {spec.file for name, spec in self.model.graphs.items() if name != graph} | {REFERENCE_FILE}
        return {file: digest for file, digest in self.model.files.items() if file not in others}


def _check_format(file: Path, found: object) -> None:
    known = f"{file} has bundle format {found!r}, this fmmp reads {FORMAT}"
    if type(found) is int and found > FORMAT:
        raise BundleError(f"{known}: it was made by a newer fmmp: update fmmp")
    if found != FORMAT:
        raise BundleError(f"{known}: export the checkpoint again")


def _check(model: Model) -> None:
    missing = [name for name in GRAPHS if name not in model.graphs]
    if missing:
        raise BundleError(f"graphs lacks {missing[0]!r}, expected {', '.join(GRAPHS)}")
    for name in model.graphs:
        if name not in GRAPHS and not BATCH_GRAPH.fullmatch(name):
            raise BundleError(f"unknown graph {name!r}; known are {', '.join(GRAPHS)} and query_batchN")
    if model.target not in TARGETS:
        raise BundleError(f"target must be one of {', '.join(TARGETS)}, got {model.target!r}")
    if WEIGHTS_FILE not in model.files:
        raise BundleError(f"files lacks {WEIGHTS_FILE!r}, which holds the weights of all graphs")
    for count, name in model.batches.items():
        _check_batch(model.graphs["query"], model.graphs[name], count)
    for graph in model.graphs.values():
        if graph.file not in model.files:
            raise BundleError(f"{graph.file} is a graph, but files gives no hash of it")
    for name in (*model.files, *(engine.file for engine in model.engines)):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise BundleError(f"files may only name files of the bundle, got {name!r}")
    for key in ("keypoints", "shots", "batch", "image_size"):
        if getattr(model, key) < 1:
            raise BundleError(f"{key} must be at least 1, got {getattr(model, key)}")


def _check_batch(query: GraphSpec, batch: GraphSpec, count: int) -> None:
    """Whether a graph is the query graph for `count` frames: every input and each answer that many times."""
    axes = {"points": 1}  # (L, N, K, 2); all others have their frames in front
    ours, theirs = (*query.inputs, *query.outputs), (*batch.inputs, *batch.outputs)
    if len(ours) != len(theirs):
        raise BundleError(f"{batch.file} has {len(theirs)} inputs and outputs, expected {len(ours)}")
    for one, many in zip(ours, theirs, strict=True):
        shape = list(one.shape)
        shape[axes.get(one.name, 0)] *= count
        if (many.name, many.dtype, many.shape) != (one.name, one.dtype, shape):
            raise BundleError(
                f"{batch.file} has {many.name} as {many.dtype} {many.shape}, "
                f"expected {one.name} as {one.dtype} {shape}"
            )


def _check_hashes(folder: Path, files: Mapping[str, str]) -> None:
    for name, expected in files.items():
        file = folder / name
        if not file.is_file():
            raise BundleError(f"{file} is missing: copy the whole folder, or export it again")
        found = sha256(file)
        if found != expected:
            raise BundleError(
                f"{file} has changed since its export (SHA-256 {found[:12]}, expected {expected[:12]}): "
                "copy or export the bundle again"
            )


def _parse(kind: type[T], content: Mapping[str, Any], where: str) -> T:
    """A dataclass from JSON, strictly: every field without a default, no other key, the right types."""
    hints = get_type_hints(kind)
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # kind is a dataclass
    for key in content:
        if key not in hints:
            raise BundleError(f"unknown key {where + key!r}; known keys are {', '.join(known)}")
    for each in fields(kind):  # type: ignore[arg-type]  # likewise
        if each.name not in content and each.default is MISSING and each.default_factory is MISSING:
            raise BundleError(f"no key {where + each.name!r}")
    return kind(**{key: _value(hints[key], content[key], where + key) for key in known if key in content})


def _value(hint: Any, value: Any, where: str) -> Any:  # noqa: ANN401  # JSON
    """One JSON value as its type hint says."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin is Literal:
        if value not in arguments:
            raise BundleError(f"{where} must be one of {', '.join(arguments)}, got {json.dumps(value)[:60]}")
        return value
    expected = origin or (dict if is_dataclass(hint) else hint)
    number = hint is float and type(value) is int  # JSON has one kind of number
    if not number and type(value) is not expected:
        raise BundleError(f"{where} must be {expected.__name__}, got {json.dumps(value)[:60]}")
    if is_dataclass(hint):
        return _parse(hint, value, f"{where}.")  # type: ignore[arg-type]  # hint is a class here
    if origin is list:
        return [_value(arguments[0], item, f"{where}[{number}]") for number, item in enumerate(value)]
    if origin is dict:
        return {key: _value(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    return float(value) if number else value
