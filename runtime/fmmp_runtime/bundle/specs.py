# SPDX-License-Identifier: Apache-2.0
"""What model.json says of a bundle, as frozen values: the home of its format.

The exporter fills these classes and writes them; the runtime reads them.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from fmmp_runtime.bundle.engines import EngineSpec
from fmmp_runtime.files import write_atomically
from fmmp_runtime.pose import InputConfig, Method, ShownBy, Structure

FORMAT = 2
MODEL_FILE = "model.json"
GRAPHS = ("pair", "support", "query")
SEARCH_GRAPHS = ("template", "search")  # both or neither: a bundle without them locates, and finds nothing
BATCH_GRAPH = re.compile(r"query_batch([1-9]\d{0,8})")  # the query graph for so many frames at once
WEIGHTS_FILE = "weights.bin"
REFERENCE_FILE = "reference.safetensors"  # what PyTorch answers to a few crops; no engine depends on it

Precision = Literal["fp32", "fp16", "int8"]  # int8 is the backbone alone
Answer = Literal["points", "cells"]  # cells: points are picked on a heat map, and rounding may pick others
Target = Literal["cpu", "gpu"]  # what the order of the graphs' arithmetic is made for


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
class SearchSpec:
    """What the outputs of the search graph stand for, and how far its answer is to be believed."""

    box_sides: list[float]  # of each output: longer side of the boxes it looks for, in those of the frame
    mirrored: list[
        bool
    ]  # of each view, the second axis of an output: whether the support is seen in a mirror
    mirror_peak: float  # by so much must a mirrored view fit better to be looked at
    mirror_presence: float  # and, in logits of presence, to be taken
    calibrated: bool  # presence is a probability; otherwise only its order has meaning


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
    target: Target
    image_size: int  # side of a crop, pixels
    crop_padding: float  # side of the crop / longer side of the box
    mean: list[float]  # of RGB in [0, 1]; in the graphs already, here for the record
    std: list[float]
    precision: Precision
    opset: int
    graphs: dict[
        str, GraphSpec
    ]  # pair, support, query; query_batch8, ...: of N frames at once; template, search
    score: ScoreSpec
    source: SourceSpec
    versions: dict[str, str]  # of what made it
    files: dict[str, str]  # name -> SHA-256, of every file but model.json and the engines
    parity: dict[str, dict[str, Any]]  # backend -> errors against torch, in pixels
    engines: list[EngineSpec] = field(default_factory=list)  # may be added later
    padding: Method = "uniform"  # of a support's keypoints to K
    search: SearchSpec | None = None  # None: of a bundle that can't find
    shown_by: ShownBy = "any"  # supports that must show a keypoint for it to be located
    fixed_keypoints: bool = False  # no bundle for more keypoints can be exported
    answer: Answer = "points"  # how the network comes to its points

    @property
    def inputs(self) -> InputConfig:
        """What the support graph reads beside the image: the form of the links is the input that it has."""
        support = self.graphs["support"]
        names = {tensor.name for tensor in support.inputs}
        structure: Structure | None = next((form for form in get_args(Structure) if form in names), None)
        return InputConfig(
            image_size=self.image_size,
            max_keypoints=self.keypoints,
            padding=self.padding,
            structure=structure,
            num_heads=(support.shape("reference_index") or [0])[-1] if structure == "reference_index" else 0,
            shown_by=self.shown_by,
            fixed_keypoints=self.fixed_keypoints,
        )

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

    @property
    def template_key(self) -> str:
        """SHA-256 of the template graph, which makes what is looked for."""
        return self.files[self.graphs["template"].file]

    @property
    def search_tensors(self) -> list[TensorSpec]:
        """What of a support the search graph takes, in order; empty where there is none."""
        return self.graphs["template"].outputs if self.search is not None else []

    def to_json(self) -> str:
        """The text of model.json."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"

    def write(self, folder: Path) -> None:
        """Write model.json into `folder`; the bundle's other files are there already."""
        write_atomically(folder / MODEL_FILE, self.to_json().encode())
