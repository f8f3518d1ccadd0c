# SPDX-License-Identifier: Apache-2.0
"""A graph of a bundle as TensorRT shall see it, with its weights still beside the original."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import numpy_helper

from fmmp_export.graph.operator import FMMP
from fmmp_export.graph.turing import products_as_convolutions

LEVEL_SIZES = "level_sizes"  # the plugin checks them when it is built, and then reads no tensor for them


@dataclass(frozen=True, kw_only=True)
class EngineGraph:
    """What goes to the parser."""

    content: bytes  # the ONNX file
    plugins: frozenset[str]  # operators that are no standard ONNX


def prepare(path: Path, *, float_products: bool = True) -> EngineGraph:
    """Read a graph of a bundle.

    The definitions of operators are taken out: up to 10.6 TensorRT prefers them to the plugin, and with them
    gone a plugin that is missing is an error in every version.

    Args:
        path: of the ONNX file.
        float_products: False writes float32 matrix products as convolutions.
    """
    model = onnx.load(path, load_external_data=False)
    del model.functions[:]
    if not float_products:
        products_as_convolutions(model.graph)
    initializers = {tensor.name: tensor for tensor in model.graph.initializer}
    custom = [node for node in model.graph.node if node.domain not in ("", "ai.onnx")]
    for node in custom:
        if node.op_type == FMMP.op_type and node.input[1] in initializers:
            sizes = numpy_helper.to_array(initializers[node.input[1]]).flatten().tolist()
            node.attribute.append(onnx.helper.make_attribute(LEVEL_SIZES, sizes))
    return EngineGraph(content=model.SerializeToString(), plugins=frozenset(node.op_type for node in custom))
