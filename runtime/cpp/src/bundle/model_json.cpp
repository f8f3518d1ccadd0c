// SPDX-License-Identifier: Apache-2.0
#include "bundle/model_json.h"

#include "bundle/members.h"
#include "bundle/rules.h"

namespace fmmp::runtime {
namespace {

TensorSpec read_tensor(Json const& value, std::string const& where)
{
    Members members(value, where);
    TensorSpec tensor{members.text("name"), nullptr, {}};
    std::string const dtype = members.text("dtype");
    for (Dtype const& known : kDtypes) {
        if (dtype == known.name) {
            tensor.dtype = &known;
        }
    }
    if (!tensor.dtype) {
        refuse_bundle(members.path("dtype") + " " + shown(dtype) + " is not known to this fmmp");
    }
    for (Json const& item : members.array("shape")) {
        tensor.shape.push_back(as<int64_t>(item, members.path("shape"), "whole numbers"));
    }
    members.no_others();
    return tensor;
}

std::vector<TensorSpec> read_tensors(Members& members, char const* key)
{
    std::vector<TensorSpec> tensors;
    for (Json const& item : members.array(key)) {
        tensors.push_back(read_tensor(item, members.path(key) + "[" + std::to_string(tensors.size()) + "]"));
    }
    return tensors;
}

GraphSpec read_graph(Json const& value, std::string const& where)
{
    Members members(value, where);
    GraphSpec graph{members.text("file"), read_tensors(members, "inputs"), read_tensors(members, "outputs")};
    members.no_others();
    return graph;
}

EngineSpec read_engine(Json const& value, std::string const& where)
{
    Members members(value, where);
    EngineSpec engine;
    engine.graph = members.text("graph");
    engine.backend = members.one_of("backend", {"tensorrt", "tensorrt-rtx"});
    engine.version = members.text("version");
    engine.arch = members.text("arch");
    engine.plugin = members.text("plugin");
    engine.sha256 = members.text("sha256");
    engine.built_from = members.texts("built_from");
    engine.plugin_inside = members.flag("plugin_inside");
    members.no_others();
    return engine;
}

/// What is in the graphs already, or for the record: this runtime uses none of it.
void read_the_rest(Members& members)
{
    members["format"];
    members.object("network");
    members.one_of("target", {"cpu", "gpu"});
    members.whole("opset");
    members.texts("versions");
    members.object("parity");
    for (char const* const key : {"mean", "std"}) {
        if (size_t const count = members.reals(key).size(); count != 3) {
            refuse_bundle(std::string(key) + " must be 3 numbers, got " + std::to_string(count));
        }
    }
    Members score(members["score"], "score");
    score.flag("calibrated");
    score.text("meaning");
    score.no_others();
    Members source(members["source"], "source");
    source.text("file");
    source.text("sha256");
    source.no_others();
}

}  // namespace

Model read_model(Json const& content)
{
    Members members(content, "");
    Model model;
    model.name = members.text("name");
    model.precision = members.one_of("precision", {"fp32", "fp16", "int8"});
    model.keypoints = members.whole("keypoints");
    model.shots = members.whole("shots");
    model.batch = members.whole("batch");
    model.image_size = members.whole("image_size");
    model.crop_padding = members.real("crop_padding");
    model.files = members.texts("files");
    for (auto const& [name, graph] : members.object("graphs")) {
        model.graphs[name] = read_graph(graph, "graphs." + name);
    }
    if (members.optional("engines")) {
        for (Json const& engine : members.array("engines")) {
            model.engines.push_back(
                read_engine(engine, "engines[" + std::to_string(model.engines.size()) + "]"));
        }
    }
    if (members.optional("padding")) {
        std::string const method = members.one_of("padding", {"uniform", "mixup", "zero"});
        if (method == "mixup") {
            refuse_bundle("padding is 'mixup', which this runtime can't draw: run the bundle from Python");
        }
        model.pads_uniformly = method == "uniform";
    }
    if (members.optional("shown_by")) {
        model.every_support = members.one_of("shown_by", {"any", "every"}) == "every";
    }
    if (members.optional("fixed_keypoints")) {
        model.fixed_keypoints = members.flag("fixed_keypoints");
    }
    members.optional("search");  // this runtime finds nothing
    if (members.optional("answer")) {
        members.one_of("answer", {"points", "cells"});  // how the network comes to its points
    }
    read_the_rest(members);
    members.no_others();
    check_rules(model);
    return model;
}

}  // namespace fmmp::runtime
