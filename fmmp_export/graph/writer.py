# SPDX-License-Identifier: Apache-2.0
"""Traced modules become ONNX graphs: simplified, joined, and written around one shared weight file."""

from __future__ import annotations

import ast
import hashlib
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes import common
from onnxscript import optimizer
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.rules import common as rules

from fmmp_export.graph.operator import FMMP, OPSET, OperatorName, definition, translation_table
from fmmp_export.graph.parts import Part
from fmmp_export.graph.projected import PROJECTED, projected_definition, projected_translation

WEIGHTS = "weights.bin"
EMBEDDED = 256  # bytes; smaller tensors, such as shapes and scalars, stay in the graph's own file
ALIGNMENT = 64  # bytes, of a tensor in the weight file: a cache line
FOLDED = 1 << 24  # elements; every constant of this network is folded, transposed weights too
SCOPES = "pkg.torch.onnx.name_scopes"  # where torch's exporter leaves the path of the module that made a node
RULES = (  # applied one group after the other
    (rules.normalize_pad_format_conv_rule, rules.no_op_expand_rule, rules.reshape_reshape_rule),
    (rules.fuse_pad_into_conv_rule,),
    (rules.fuse_batchnorm_into_conv_rule,),
    (rules.remove_optional_bias_from_conv_rule,),
)
IR_VERSION = 10  # the newest that ONNX Runtime 1.20 reads


def trace(part: Part) -> ir.Model:
    """Trace a module into a simplified graph; each node's metadata says which submodule it came from."""
    model = export_program(part).model
    _name_interface(model.graph, part)
    simplify(model)
    return model


def export_program(part: Part) -> torch.onnx.ONNXProgram:
    """Trace a module into a graph as torch makes it; `exported_program` holds the traced program beside."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it logs each step
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of torch's own internals
        program = torch.onnx.export(
            torch.export.export(part.module, part.arguments, strict=False),
            opset_version=OPSET,
            dynamo=True,
            optimize=False,
            verbose=False,
            custom_translation_table=translation_table() | projected_translation(),
        )
    if program is None:  # only where it writes a file itself
        raise RuntimeError("torch.onnx.export returned no program")
    return program


def _name_interface(graph: ir.Graph, part: Part) -> None:
    """Give inputs and outputs their names; what is inside and called the same makes room."""
    for index, value in enumerate(graph.outputs):
        if value.is_graph_input():  # an input that is handed on gets a node between, and so a name of its own
            handed_on = ir.node("Identity", [value])
            handed_on.outputs[0].type, handed_on.outputs[0].shape = value.type, value.shape
            graph.append(handed_on)
            graph.outputs[index] = handed_on.outputs[0]
    taken = {*part.inputs, *part.outputs}
    for value in _made(graph):
        if value.name in taken:
            value.name = f"{value.name}_inside"
    named = (*zip(graph.inputs, part.inputs, strict=True), *zip(graph.outputs, part.outputs, strict=True))
    for value, name in named:
        value.name = name


def _made(graph: ir.Graph) -> list[ir.Value]:
    """All values but the inputs."""
    return [*(value for node in graph for value in node.outputs), *graph.initializers.values()]


def simplify(model: ir.Model) -> None:
    """Fold constants, fuse padding and batch normalisation into convolutions, compute nothing twice.

    A few rules instead of onnxscript's whole list, whose search takes half of the export.
    """
    common.InlinePass()(model)
    optimizer.fold_constants(model, input_size_limit=FOLDED, output_size_limit=FOLDED)
    for group in RULES:
        rewrite(model, group)
    common.ShapeInferencePass()(model)  # what has no type yet is not folded, and `to_half` would pass it by
    optimizer.fold_constants(model, input_size_limit=FOLDED, output_size_limit=FOLDED)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.DeduplicateInitializersPass(size_limit=FOLDED)(model)
    common.CommonSubexpressionEliminationPass()(model)
    common.RemoveUnusedNodesPass()(model)
    common.OutputFixPass()(model)
    common.NameFixPass()(model)


def scope(node: ir.Node) -> str:
    """Path of the module that a node came from, such as `query_miners.0.structure`; empty for the top."""
    scopes = ast.literal_eval(node.metadata_props.get(SCOPES, "['', '']"))
    return (
        str(scopes[-2] if len(scopes) > 1 else "")
        .removeprefix("search.")
        .removeprefix("network")
        .removeprefix(".")
    )


def join(support: ir.Model, query: ir.Model) -> ir.Model:
    """One graph, support and query -> keypoints: the state goes from one to the other inside."""
    first, second = support.graph.clone(), query.graph.clone()
    state = {value.name: value for value in first.outputs}
    for value in second.inputs:
        if value.name in state:
            value.replace_all_uses_with(state[value.name])
    interface = {value.name for value in (*first.inputs, *first.outputs, *second.inputs, *second.outputs)}
    for graph, prefix in ((first, "support"), (second, "query")):
        for value in _made(graph):
            if value.name not in interface:
                value.name = f"{prefix}/{value.name}"
    nodes = [*first, *second]
    initializers = [*first.initializers.values(), *second.initializers.values()]
    inputs = [*(value for value in second.inputs if value.name not in state), *first.inputs]
    outputs = list(second.outputs)
    for graph in (first, second):
        graph.outputs.clear()
        graph.inputs.clear()
        graph.remove(list(graph))
        graph.initializers.clear()
    joined = ir.Graph(
        inputs, outputs, nodes=nodes, initializers=initializers, opset_imports=support.graph.opset_imports
    )
    model = ir.Model(joined, ir_version=IR_VERSION)
    simplify(model)
    return model


def finish(model: ir.Model, name: str, operator: OperatorName | None) -> None:
    """Name the nodes after their modules, drop what tracing left behind, define the custom operator.

    Args:
        model: changed in place.
        name: of the graph.
        operator: what the deformable attention is called; None writes it in standard operators.
    """
    model.graph.name = name
    _name_weights(model.graph)
    for number, node in enumerate(model.graph):
        node.name = f"{scope(node)}/{node.op_type}_{number}".removeprefix("/")
        if operator and node.op_type == FMMP.op_type:
            node.domain, node.op_type = operator.domain, operator.op_type
            for key, value in operator.attributes.items():
                node.attributes[key] = ir.AttrString(key, value)
    definitions = [definition(operator or FMMP)]
    if any(node.op_type == PROJECTED for node in model.graph):
        definitions.append(projected_definition())
    for each in definitions:
        function = ir.from_proto(each)
        assert isinstance(function, ir.Function)
        for node in function:  # ONNX Runtime before 1.22 gives two nodes without a name the same one
            node.name = node.outputs[0].name
        model.functions[function.identifier()] = function
        model.graph.opset_imports[function.domain] = 1
    if operator is None:
        common.InlinePass()(model)
        simplify(model)
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.doc_string = "fmmp-export", None, None
    common.ClearMetadataAndDocStringPass()(model)
    common.RemoveUnusedOpsetsPass()(model)


def _name_weights(graph: ir.Graph) -> None:
    """Call weights as the checkpoint does, where no other value of the graph is called so."""
    taken = {value.name for node in graph for value in node.outputs} | set(graph.initializers)
    for value in list(graph.initializers.values()):
        plain = str(value.name)
        for prefix in ("support/", "query/", "search.", "network."):
            plain = plain.removeprefix(prefix)
        if plain not in taken:
            taken.add(plain)
            value.name = plain


def write(models: Mapping[str, ir.Model], folder: Path) -> None:
    """Write `<name>.onnx` for each model, and one weight file that holds every tensor of theirs once."""
    places: dict[str, int] = {}  # digest of a tensor's content -> offset
    with (folder / WEIGHTS).open("wb") as file:
        for model in models.values():
            for value in model.graph.initializers.values():
                tensor = value.const_value
                if tensor is None or tensor.nbytes < EMBEDDED:
                    continue
                content = tensor.tobytes()
                digest = hashlib.sha256(content).hexdigest()
                if digest not in places:
                    file.write(b"\0" * (-file.tell() % ALIGNMENT))
                    places[digest] = file.tell()
                    file.write(content)
                value.const_value = ir.ExternalTensor(
                    WEIGHTS,
                    places[digest],
                    len(content),
                    tensor.dtype,
                    shape=ir.Shape(tensor.shape.numpy()),
                    name=str(value.name),
                    base_dir=str(folder),
                )
    for name, model in models.items():
        path = folder / f"{name}.onnx"
        ir.save(model, path)
        onnx.checker.check_model(str(path))
