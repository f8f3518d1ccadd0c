// SPDX-License-Identifier: Apache-2.0
#include "model_json.h"

#include <algorithm>
#include <set>

namespace fmmp::runtime {
namespace {

constexpr int64_t kLargestTensor = int64_t(1) << 33;  // elements; what is larger is a mistake

[[noreturn]] void refuse(std::string const& message)
{
    throw Error(Fault::kBundle, message);
}

[[noreturn]] void wrong_kind(std::string const& where, char const* expected, Json const& found)
{
    refuse(where + " must be " + expected + ", got " + found.kind());
}

template <typename T>
T const& as(Json const& value, std::string const& where, char const* expected)
{
    if (T const* const found = value.get<T>()) {
        return *found;
    }
    wrong_kind(where, expected, value);
}

std::string text(Json const& value, std::string const& where)
{
    return as<std::string>(value, where, "a string");
}

double real(Json const& value, std::string const& where)
{
    if (auto const* const whole = value.get<int64_t>()) {
        return double(*whole);
    }
    return as<double>(value, where, "a number");
}

/// The members of an object, each of which must be asked for.
class Members {
public:
    Members(Json const& object, std::string where)
        : members_(as<Json::Object>(object, where.empty() ? "model.json" : where, "an object")),
          where_(where.empty() ? "" : where + ".")
    {
    }

    Json const& operator[](char const* key)
    {
        Json const* const found = optional(key);
        if (!found) {
            refuse("no key '" + where_ + key + "'");
        }
        return *found;
    }

    Json const* optional(char const* key)
    {
        known_.insert(key);
        auto const member = members_.find(key);
        return member == members_.end() ? nullptr : &member->second;
    }

    std::string text(char const* key) { return runtime::text((*this)[key], where_ + key); }

    double real(char const* key) { return runtime::real((*this)[key], where_ + key); }

    int64_t positive(char const* key)
    {
        int64_t const number = as<int64_t>((*this)[key], where_ + key, "a whole number");
        if (number < 1 || number > kLargestTensor) {
            refuse(where_ + key + " must be at least 1, got " + std::to_string(number));
        }
        return number;
    }

    std::string where(char const* key) const { return where_ + key; }

    /// Refuse members that nobody asked for.
    void no_others() const
    {
        for (auto const& [key, value] : members_) {
            if (!known_.count(key)) {
                refuse("unknown key '" + where_ + key + "'");
            }
        }
    }

private:
    Json::Object const& members_;
    std::string where_;
    std::set<std::string> known_;
};

std::map<std::string, std::string> read_texts(Json const& value, std::string const& where)
{
    std::map<std::string, std::string> texts;
    for (auto const& [key, item] : as<Json::Object>(value, where, "an object")) {
        texts[key] = text(item, where + "." + key);
    }
    return texts;
}

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
        refuse(where + ".dtype '" + dtype + "' is not known to this fmmp");
    }
    int64_t count = 1;
    for (Json const& item : as<Json::Array>(members["shape"], members.where("shape"), "an array")) {
        int64_t const size = as<int64_t>(item, members.where("shape"), "whole numbers");
        if (size < 1 || size > kLargestTensor / count) {
            refuse(members.where("shape") + " is no shape of a tensor");
        }
        count *= size;
        tensor.shape.push_back(size);
    }
    members.no_others();
    return tensor;
}

std::vector<TensorSpec> read_tensors(Json const& value, std::string const& where)
{
    std::vector<TensorSpec> tensors;
    for (Json const& item : as<Json::Array>(value, where, "an array")) {
        tensors.push_back(read_tensor(item, where + "[" + std::to_string(tensors.size()) + "]"));
    }
    return tensors;
}

GraphSpec read_graph(Json const& value, std::string const& where)
{
    Members members(value, where);
    GraphSpec graph{members.text("file"), read_tensors(members["inputs"], members.where("inputs")),
                    read_tensors(members["outputs"], members.where("outputs"))};
    members.no_others();
    return graph;
}

EngineSpec read_engine(Json const& value, std::string const& where)
{
    Members members(value, where);
    EngineSpec engine;
    engine.graph = members.text("graph");
    engine.backend = members.text("backend");
    engine.version = members.text("version");
    engine.arch = members.text("arch");
    engine.plugin = members.text("plugin");
    engine.sha256 = members.text("sha256");
    engine.built_from = read_texts(members["built_from"], members.where("built_from"));
    engine.plugin_inside =
        as<bool>(members["plugin_inside"], members.where("plugin_inside"), "true or false");
    members.no_others();
    return engine;
}

void check_name(std::string const& name)
{
    bool inside = !name.empty() && name[0] != '/' && name.find('\\') == std::string::npos &&
                  name.find('\0') == std::string::npos;
    for (size_t start = 0; start <= name.size();) {
        size_t const end = std::min(name.find('/', start), name.size());
        inside = inside && name.compare(start, end - start, "..") != 0;
        start = end + 1;
    }
    if (!inside) {
        refuse("files may only name files of the bundle, got '" + name + "'");
    }
}

/// Whether an input or output is there with the type and the shape that the runtime works with.
void check_tensor(GraphSpec const& graph, char const* name, char const* dtype,
                  std::vector<int64_t> const& shape)
{
    TensorSpec const& found = graph.tensor(name);
    TensorSpec expected{name, found.dtype, shape};
    for (Dtype const& known : kDtypes) {
        if (std::string(known.name) == dtype) {
            expected.dtype = &known;
        }
    }
    if (!(found == expected)) {
        refuse(graph.file + " has " + name + " as " + found.text() + ", expected " + expected.text());
    }
}

void check_graphs(Model const& model)
{
    for (char const* const name : {"pair", "support", "query"}) {
        if (!model.graphs.count(name)) {
            refuse(std::string("graphs lacks '") + name + "', expected pair, support, query");
        }
    }
    GraphSpec const &support = model.graphs.at("support"), &query = model.graphs.at("query");
    int64_t const shots = model.shots, count = model.keypoints, size = model.image_size;
    check_tensor(support, "support", "uint8", {1, shots, size, size, 3});
    check_tensor(support, "keypoints", "float32", {1, shots, count, 2});
    check_tensor(support, "visible", "bool", {1, shots, count});
    TensorSpec const& index = support.tensor("reference_index");
    if (index.shape.empty()) {
        refuse(support.file + " has reference_index without a shape");
    }
    check_tensor(support, "reference_index", "int64", {1, shots, count, index.shape.back()});
    check_tensor(query, "query", "uint8", {1, size, size, 3});
    TensorSpec const& points = query.tensor("points");
    if (points.shape.empty()) {
        refuse(query.file + " has points without a shape");
    }
    check_tensor(query, "points", "float32", {points.shape.front(), 1, count, 2});
    check_tensor(query, "score", "float32", {1, count});
    if (model.state_tensors() != support.outputs) {
        refuse(query.file + " does not take what " + support.file + " gives");
    }
}

void check(Model const& model)
{
    if (!model.files.count(kWeightsFile)) {
        refuse("files lacks 'weights.bin', which holds the weights of all graphs");
    }
    for (auto const& [name, graph] : model.graphs) {
        if (!model.files.count(graph.file)) {
            refuse(graph.file + " is a graph, but files gives no hash of it");
        }
    }
    for (auto const& [name, digest] : model.files) {
        check_name(name);
    }
    for (EngineSpec const& engine : model.engines) {
        check_name(engine.file());
    }
    if (!(model.crop_padding > 0)) {
        refuse("crop_padding must be above 0");
    }
    check_graphs(model);
}

}  // namespace

Model read_model(Json const& content)
{
    Members members(content, "");
    Model model;
    model.name = members.text("name");
    model.precision = members.text("precision");
    model.keypoints = members.positive("keypoints");
    model.shots = members.positive("shots");
    model.image_size = members.positive("image_size");
    model.crop_padding = members.real("crop_padding");
    model.files = read_texts(members["files"], "files");
    for (auto const& [name, graph] : as<Json::Object>(members["graphs"], "graphs", "an object")) {
        model.graphs[name] = read_graph(graph, "graphs." + name);
    }
    if (Json const* const engines = members.optional("engines")) {
        for (Json const& engine : as<Json::Array>(*engines, "engines", "an array")) {
            model.engines.push_back(
                read_engine(engine, "engines[" + std::to_string(model.engines.size()) + "]"));
        }
    }
    if (Json const* const padding = members.optional("padding")) {
        if (std::string const method = text(*padding, "padding"); method != "uniform") {
            refuse("padding is '" + method +
                   "', this runtime pads uniformly alone: run the bundle from Python");
        }
    }
    // In the graphs already, or for the record: this runtime reads none of them.
    for (char const* const key : {"format", "network", "batch", "target", "mean", "std", "opset", "score",
                                  "source", "versions", "parity"}) {
        members[key];
    }
    members.no_others();
    check(model);
    return model;
}

}  // namespace fmmp::runtime
