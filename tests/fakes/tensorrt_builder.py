# SPDX-License-Identifier: Apache-2.0
"""As much of TensorRT's Python API as the exporter uses, to be copied under the name of a product.

A plan says what it depends on, then come the plugins that it carries. Nodes with certain names make it fail.
The end of a copy says which product it is: see `install` in test_engine.py.
"""

import enum
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import onnx


class Logger:
    WARNING = 2

    def __init__(self, severity: int) -> None:
        self.severity = severity


class BuilderFlag(enum.Enum):
    TF32 = 7


class DataType(enum.Enum):
    FLOAT, UINT8, INT64, BOOL, HALF = 1, 2, 7, 9, 10


class Tensor:
    def __init__(self, value: onnx.ValueInfoProto) -> None:
        self.name = value.name
        self.dtype = DataType(value.type.tensor_type.elem_type)
        self.shape = tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)


class Network:
    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.graph = onnx.GraphProto()

    num_inputs = property(lambda self: len(self.graph.input))
    num_outputs = property(lambda self: len(self.graph.output))
    num_layers = property(lambda self: len(self.graph.node))

    def get_input(self, index: int) -> Tensor:
        return Tensor(self.graph.input[index])

    def get_output(self, index: int) -> Tensor:
        return Tensor(self.graph.output[index])


class ParserError:
    def desc(self) -> str:
        return "there is no importer for Strange"

    def node_name(self) -> str:
        return "layers.0/Strange_7"

    def node_operator(self) -> str:
        return "Strange"


class OnnxParser:
    def __init__(self, network: Network, logger: Logger) -> None:
        self.network = network
        self.num_errors = 0

    def parse(self, content: bytes, path: str) -> bool:
        model = onnx.load_from_string(content)
        names = [node.name for node in model.graph.node]
        if "ABORT" in names:
            os.abort()
        weights = (Path(path).parent / tensor.external_data[0].value for tensor in model.graph.initializer
                   if tensor.external_data)  # fmt: skip
        assert all(file.is_file() for file in weights)
        self.network.graph.CopyFrom(model.graph)
        self.num_errors = names.count("STRANGE")
        return self.num_errors == 0

    def get_error(self, index: int) -> ParserError:
        return ParserError()


class Config:
    def __init__(self) -> None:
        self.plugins_to_serialize: list[str] = []
        self.num_compute_capabilities = 0
        self.arch: Any = None
        self.flags = {"TF32"}

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag.name)

    def set_compute_capability(self, arch: enum.Enum, index: int) -> None:
        assert index < self.num_compute_capabilities
        self.arch = arch.name


class Builder:
    def __init__(self, logger: Logger) -> None:
        self.loaded: list[str] = []

    def get_plugin_registry(self) -> "Builder":
        return self

    def load_library(self, path: str) -> None:
        self.loaded.append(path)

    def create_network(self, flags: int) -> Network:
        return Network(flags)

    def create_builder_config(self) -> Config:
        return Config()

    def build_serialized_network(self, network: Network, config: Config) -> "bytes | None":
        if any(node.name == "FAIL" for node in network.graph.node):
            print("[11/22/2026-13:39:43] [TRT] [W] this is slow")
            print("[11/22/2026-13:39:44] [TRT] [E] IBuilder::build: no memory")
            return None
        assert self.loaded == config.plugins_to_serialize
        plan = {
            "network": hashlib.sha256(network.graph.SerializeToString()).hexdigest(),
            "network flags": network.flags,
            "arch": config.arch,
            "config flags": sorted(config.flags),
        }
        plugins = b"".join(Path(file).read_bytes() for file in config.plugins_to_serialize)
        return json.dumps(plan).encode() + b"\n" + plugins
