# SPDX-License-Identifier: Apache-2.0
"""A matrix product written as a convolution is the same product."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from fmmp_export.graph.turing import products_as_convolutions

ATOL = 1e-5  # sums of at most 16 products below 16, in float32 and in another order


def product(left: list[int], right: list[int], dtype: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """a @ b in a graph of its own; b is a weight."""
    rng = np.random.default_rng(0)
    shape = np.matmul(np.zeros(left), np.zeros(right)).shape
    weight = onnx.numpy_helper.from_array(
        rng.normal(size=right).astype(helper.tensor_dtype_to_np_dtype(dtype)), "b"
    )
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["a", "b"], ["inner"], "layer/MatMul_3"),
         helper.make_node("Identity", ["inner"], ["y"])],
        "product",
        [helper.make_tensor_value_info("a", dtype, left)],
        [helper.make_tensor_value_info("y", dtype, shape)],
        [weight],
        value_info=[helper.make_tensor_value_info("inner", dtype, shape)],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([5, 3], [3, 7]),
        ([1, 5, 3], [3, 7]),
        ([2, 4, 5, 3], [3, 7]),
        ([2, 4, 5, 3], [2, 4, 3, 7]),  # attention: a batch on both sides
        ([2, 5, 3], [1, 3, 7]),
        ([1, 5, 3], [3]),
        ([3], [3, 7]),
        ([4, 1, 16], [4, 16, 1]),
    ],
    ids=str,
)
def test_same_product(left: list[int], right: list[int]) -> None:
    model = product(left, right)
    feed = {"a": np.random.default_rng(1).normal(size=left).astype(np.float32)}
    expected = np.matmul(feed["a"].astype(np.float64), onnx.numpy_helper.to_array(model.graph.initializer[0]))
    products_as_convolutions(model.graph)
    onnx.checker.check_model(model, full_check=True)
    assert "MatMul" not in {node.op_type for node in model.graph.node}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, feed)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize(
    ("left", "right", "dtype"),
    [
        ([5, 3], [3, 7], TensorProto.FLOAT16),  # is taken as it is
        ([1, 5, 3], [4, 3, 7], TensorProto.FLOAT),  # not in our graphs, and no convolution of this form
    ],
    ids=str,
)
def test_other_products_stay(left: list[int], right: list[int], dtype: int) -> None:
    model = product(left, right, dtype)
    before = model.SerializeToString()
    products_as_convolutions(model.graph)
    assert model.SerializeToString() == before
