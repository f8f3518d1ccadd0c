# SPDX-License-Identifier: Apache-2.0
"""Float32 matrix products as convolutions: on Turing (sm75) TensorRT-RTX takes those, and no products.

It would take half precision too, which moves points by an eighth of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import onnx
from onnx import helper


def products_as_convolutions(graph: onnx.GraphProto) -> None:
    """Rewrite each float32 `MatMul` with static shapes, in place.

    (..., M, K) times (..., K, N) is a convolution of size 1 with a group for each item of the batch: the left
    matrix is its kernel (batch * M, K, 1, 1), the right one its image (1, batch * K, N, 1).
    """
    shapes = dict(_float_shapes(graph))
    nodes = []
    for node in graph.node:
        left, right = (shapes.get(name) for name in (*node.input, "", "")[:2])
        if node.op_type == "MatMul" and left and right and (sizes := _sizes(left, right)):
            nodes += _convolution(graph, node, *sizes, shapes[node.output[0]])
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _float_shapes(graph: onnx.GraphProto) -> Iterator[tuple[str, list[int]]]:
    """Names and shapes of the float32 tensors."""
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            yield tensor.name, list(tensor.dims)
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor_type = value.type.tensor_type
        if tensor_type.elem_type == onnx.TensorProto.FLOAT:
            yield value.name, [axis.dim_value for axis in tensor_type.shape.dim]


def _sizes(left: list[int], right: list[int]) -> tuple[int, int, int, int] | None:
    """Batch, M, K, N; None where the batches differ, unless only the left matrix has one: it is tall then."""
    left = left if len(left) > 1 else [1, *left]
    right = right if len(right) > 1 else [*right, 1]
    batch = math.prod(right[:-2])
    if batch != 1 and left[:-2] != right[:-2]:
        return None
    return batch, math.prod(left[:-1]) // batch, left[-1], right[-1]


def _convolution(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    batch: int,
    rows: int,
    inner: int,
    columns: int,
    shape: list[int],
) -> list[onnx.NodeProto]:
    name = f"{node.name}/as_convolution_of_{node.output[0]}"  # the output's name is its own
    targets = {
        "kernel": [batch * rows, inner, 1, 1],
        "image": [1, batch * inner, columns, 1],
        "product": shape,
    }
    for key, target in targets.items():
        graph.initializer.append(
            helper.make_tensor(f"{name}/{key}_shape", onnx.TensorProto.INT64, [len(target)], target)
        )
    make = helper.make_node
    left, right = node.input
    return [
        make("Reshape", [left, f"{name}/kernel_shape"], [f"{name}/kernel"], f"{name}/kernel"),
        make("Reshape", [right, f"{name}/image_shape"], [f"{name}/image"], f"{name}/image"),
        make("Conv", [f"{name}/image", f"{name}/kernel"], [name], name, kernel_shape=[1, 1], group=batch),
        make("Reshape", [name, f"{name}/product_shape"], [node.output[0]], f"{name}/product"),
    ]
