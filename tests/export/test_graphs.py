# SPDX-License-Identifier: Apache-2.0
"""What is in the files of a bundle."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from onnx import numpy_helper

from fmmp_export.export import Export
from fmmp_export.graph.half import to_half
from fmmp_export.graph.operator import FMMP, OPSET
from fmmp_export.graph.projected import PROJECTED
from fmmp_export.graph.writer import EMBEDDED, SCOPES, WEIGHTS
from tests.export.conftest import CONFIG, SHOTS

GRAPHS = ("pair", "support", "query")


def load(export: Export, name: str) -> onnx.ModelProto:
    return onnx.load(export.path / f"{name}.onnx")


def nodes(model: onnx.ModelProto, op_type: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op_type]


@pytest.mark.parametrize("name", GRAPHS)
def test_every_shape_is_static(float_export: Export, name: str) -> None:
    graph = load(float_export, name).graph
    values = [*graph.input, *graph.output, *graph.value_info]
    assert values
    for value in values:
        assert all(d.HasField("dim_value") for d in value.type.tensor_type.shape.dim), value.name


@pytest.mark.parametrize("name", GRAPHS)
def test_every_node_has_a_name_of_its_own(float_export: Export, name: str) -> None:
    """Also inside of the operator's definition: ONNX Runtime 1.20 and 1.21 refuse two nodes without one."""
    model = load(float_export, name)
    assert model.functions
    for held in (model.graph, *model.functions):
        names = [node.name for node in held.node]
        assert all(names)
        assert len(set(names)) == len(names)


def test_interface_is_the_documented_one(float_export: Export) -> None:
    size, count, heads = CONFIG.image_size, CONFIG.max_keypoints, CONFIG.num_heads
    pair = float_export.model.graphs["pair"]
    assert {(tensor.name, tensor.dtype, tuple(tensor.shape)) for tensor in pair.inputs} == {
        ("query", "uint8", (1, size, size, 3)),
        ("support", "uint8", (1, SHOTS, size, size, 3)),
        ("keypoints", "float32", (1, SHOTS, count, 2)),
        ("visible", "bool", (1, SHOTS, count)),
        ("reference_index", "int64", (1, SHOTS, count, heads)),
    }
    assert [(tensor.name, tensor.dtype, tuple(tensor.shape)) for tensor in pair.outputs] == [
        ("points", "float32", (CONFIG.num_layers, 1, count, 2)),
        ("score", "float32", (1, count)),
        ("presence", "float32", (1,)),
    ]
    support, query = (float_export.model.graphs[name] for name in ("support", "query"))
    state = [tensor for tensor in query.inputs if tensor.name != "query"]
    assert support.outputs == state
    assert all(tensor.name.startswith("state_") for tensor in state)
    for graph in float_export.model.graphs.values():
        model = onnx.load(float_export.path / graph.file, load_external_data=False)
        assert [value.name for value in model.graph.input] == [tensor.name for tensor in graph.inputs]
        assert [value.name for value in model.graph.output] == [tensor.name for tensor in graph.outputs]


CALLS = {"support": 1, "query": 2 * CONFIG.num_layers - 1, "query_batch3": 2 * CONFIG.num_layers - 1}


@pytest.mark.parametrize("name", [*GRAPHS, "query_batch3"])
def test_a_miner_calls_the_operator_once(float_export: Export, name: str) -> None:
    model = load(float_export, name)
    found = nodes(model, FMMP.op_type)
    of_miners = [node for node in found if "miners" in node.name]
    assert len(of_miners) == {**CALLS, "pair": 2 * CONFIG.num_layers}[name]
    # The support is also read at its keypoints, and so is its template.
    assert len(found) - len(of_miners) == {"support": 2, "pair": 2}.get(name, 0)
    for node in found:
        assert node.domain == FMMP.domain
        assert {a.name: a.s.decode() for a in node.attribute} == {
            "plugin_version": "1",
            "plugin_namespace": "",
        }
    assert [(function.domain, function.name) for function in model.functions] == [(FMMP.domain, FMMP.op_type)]
    assert {(opset.domain, opset.version) for opset in model.opset_import} == {("", OPSET), (FMMP.domain, 1)}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_cpu_projects_what_it_sampled(cpu_export: Export, name: str) -> None:
    model = load(cpu_export, name)
    found = nodes(model, PROJECTED)
    assert len(found) == {**CALLS, "pair": 2 * CONFIG.num_layers}[name]
    assert all((node.domain, len(node.attribute)) == (FMMP.domain, 0) for node in found)
    assert len(nodes(model, FMMP.op_type)) == {"support": 2, "query": 0, "pair": 2}[name]
    assert {function.name for function in model.functions} == {FMMP.op_type, PROJECTED}
    # No product reads all cells of an image for all heads.
    assert not [node for node in nodes(model, "MatMul") if "value_proj" in node.name]


def test_graphs_are_simplified(float_export: Export) -> None:
    for name in GRAPHS:
        model = load(float_export, name)
        assert nodes(model, "LayerNormalization")
        for folded in ("BatchNormalization", "CastLike", "Constant", "GridSample", "Pad", "Shape"):
            assert not nodes(model, folded), folded
        weights = {tensor.name for tensor in model.graph.initializer}
        assert not [node for node in nodes(model, "Transpose") if node.input[0] in weights]


@pytest.mark.parametrize("export", ["float_export", "half_export"])
def test_one_copy_of_each_tensor_for_all_graphs(export: str, request: pytest.FixtureRequest) -> None:
    made: Export = request.getfixturevalue(export)
    places: set[tuple[int, int]] = set()
    contents: dict[bytes, tuple[int, int]] = {}
    for name in made.model.graphs:
        lean = onnx.load(made.path / f"{name}.onnx", load_external_data=False)
        full = load(made, name)
        for tensor, loaded in zip(lean.graph.initializer, full.graph.initializer, strict=True):
            content = numpy_helper.to_array(loaded).tobytes()
            external = {entry.key: entry.value for entry in tensor.external_data}
            assert bool(external) == (len(content) >= EMBEDDED)
            if external:
                assert external["location"] == WEIGHTS
                place = (int(external["offset"]), int(external["length"]))
                assert contents.setdefault(content, place) == place
                places.add(place)
    padding = 64 * len(places)
    size = (made.path / WEIGHTS).stat().st_size
    assert sum(length for _, length in places) <= size <= sum(length for _, length in places) + padding


def test_files_say_nothing_of_the_machine(float_export: Export) -> None:
    for file in float_export.path.iterdir():
        content = file.read_bytes()
        assert str(Path.cwd()).encode() not in content
        assert b"site-packages" not in content


@pytest.mark.parametrize("name", GRAPHS)
def test_half_precision_is_explicit(half_export: Export, name: str) -> None:
    """Strongly typed: no node mixes types, but for the operator, whose locations stay float32."""
    model = onnx.shape_inference.infer_shapes(load(half_export, name), strict_mode=True)
    graph = model.graph
    values = [*graph.input, *graph.output, *graph.value_info]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    for node in graph.node:
        read = [types[value] for value in node.input if value]
        if node.op_type == FMMP.op_type:
            descriptors = "structure" not in node.name and read[0] == single
            assert descriptors or read[0] == half
            assert read[3:] == [single, single]
        elif node.op_type not in ("Cast", "Resize"):
            assert len({kind for kind in read if kind in (half, single)}) <= 1, node.name
        if node.op_type in ("LayerNormalization", "Softmax", "Erf", "Sin", "Log"):
            assert read[0] == single, node.name
        if node.op_type == "Sigmoid" and "backbone" not in node.name:
            assert read[0] == single, node.name
        if node.op_type == "Conv":
            assert read[0] == (single if "descriptor" in node.name else half), node.name
    for module in ("point_heads", "sampling", "position_code", "match", "cues"):
        kinds = {
            types[node.input[0]]
            for node in nodes(model, "MatMul")
            if module in node.name and types[node.input[0]] in (half, single)
        }
        assert kinds <= {single}, module
    heavy = [node for node in nodes(model, "MatMul") if "value_proj" in node.name]
    assert all(types[node.input[0]] == half for node in heavy)
    assert heavy


def test_half_halves_the_weights(float_export: Export, half_export: Export) -> None:
    size, half = ((made.path / WEIGHTS).stat().st_size for made in (float_export, half_export))
    assert half < 0.75 * size


def test_weights_beyond_the_range_of_half_are_named() -> None:
    x, y = (ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape([1])) for name in "xy")
    weight = ir.Value(name="weight", type=x.type, shape=x.shape, const_value=ir.tensor([1e6]))
    scopes = {SCOPES: "['', 'network.backbone.conv', 'mul']"}
    node = ir.Node("", "Mul", [x, weight], outputs=[y], metadata_props=scopes)
    graph = ir.Graph([x], [y], nodes=[node], initializers=[weight], opset_imports={"": 18})
    with pytest.raises(ValueError, match=r"weight.*65504.*without --fp16"):
        to_half(ir.Model(graph, ir_version=10))
