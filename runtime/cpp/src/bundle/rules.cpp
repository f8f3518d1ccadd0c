// SPDX-License-Identifier: Apache-2.0
#include "bundle/rules.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "bundle/members.h"

namespace fmmp::runtime {
namespace {

constexpr size_t kLongestName = 255;  // bytes of a file's name
constexpr int64_t kColours = 3;
constexpr char kBatchGraph[] = "query_batch";  // and a number: the query graph for so many frames at once

using Tensors = std::vector<TensorSpec>;

Dtype const* dtype(std::string_view name)
{
    return std::find_if(std::begin(kDtypes), std::end(kDtypes),
                        [&](Dtype const& known) { return name == known.name; });
}

std::string short_number(double number)
{
    char text[32];
    std::snprintf(text, sizeof(text), "%.9g", number);
    return text;
}

/// Not true of NaN either.
void check_limit(std::string_view of, double found, std::string const& where = "")
{
    Limit const& limit = *std::find_if(std::begin(kLimits), std::end(kLimits),
                                       [&](Limit const& known) { return of == known.of; });
    if (!(limit.low <= found && found <= limit.high)) {
        refuse_bundle((where.empty() ? "" : where + ": ") + limit.of + " must be " + short_number(limit.low) +
                      " to " + short_number(limit.high) + ", got " + short_number(found));
    }
}

void check_file_name(std::string const& name)
{
    bool inside = !name.empty() && name[0] != '/' && name.find('\\') == std::string::npos;
    inside = inside && std::none_of(name.begin(), name.end(),
                                    [](char sign) { return uint8_t(sign) < 0x20 || sign == 0x7f; });
    for (size_t start = 0; start <= name.size();) {
        size_t const end = std::min(name.find('/', start), name.size());
        inside = inside && end - start <= kLongestName && name.compare(start, end - start, "..") != 0;
        start = end + 1;
    }
    if (!inside) {
        refuse_bundle("files may only name files of the bundle, got " + shown(name));
    }
}

void check_hash(std::string const& digest, std::string const& where)
{
    bool const hexadecimal = digest.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (digest.size() != 64 || !hexadecimal) {
        refuse_bundle(where + " must be a SHA-256 of 64 hexadecimal digits, got " +
                      shown(digest.substr(0, 80)));
    }
}

void check_files(Model const& model)
{
    for (auto const& [name, digest] : model.files) {
        check_file_name(name);
        check_hash(digest, "files." + name);
    }
    for (size_t number = 0; number < model.engines.size(); ++number) {
        check_file_name(model.engines[number].file());
        check_hash(model.engines[number].sha256, "engines[" + std::to_string(number) + "].sha256");
    }
    if (!model.files.count(kWeightsFile)) {
        refuse_bundle("files lacks 'weights.bin', which holds the weights of all graphs");
    }
    for (auto const& [name, graph] : model.graphs) {
        if (!model.files.count(graph.file)) {
            refuse_bundle(shown(graph.file) + " is a graph, but files gives no hash of it");
        }
    }
}

/// How many frames a graph takes at once by its name; 0 for a name that is none.
int64_t frames_of(std::string const& graph)
{
    size_t const prefix = sizeof(kBatchGraph) - 1;
    std::string const digits = graph.compare(0, prefix, kBatchGraph) == 0 ? graph.substr(prefix) : "";
    bool const whole = !digits.empty() && digits.size() <= 9 && digits[0] != '0' &&
                       digits.find_first_not_of("0123456789") == std::string::npos;
    return whole ? std::atoll(digits.c_str()) : 0;
}

void check_graph_names(Model const& model)
{
    constexpr char const* kGraphs[] = {"pair", "support", "query"};
    constexpr char const* kSearch[] = {"template", "search"};  // this runtime leaves them alone
    for (char const* const name : kGraphs) {
        if (!model.graphs.count(name)) {
            refuse_bundle(std::string("graphs lacks '") + name + "', expected pair, support, query");
        }
    }
    for (auto const& [name, graph] : model.graphs) {
        if (std::find(std::begin(kGraphs), std::end(kGraphs), name) == std::end(kGraphs) &&
            std::find(std::begin(kSearch), std::end(kSearch), name) == std::end(kSearch) &&
            frames_of(name) == 0) {
            refuse_bundle("unknown graph " + shown(name) +
                          "; known are pair, support, query, template, search and query_batchN");
        }
    }
}

/// Names that are told apart, and not more memory than anyone has.
void check_memory(GraphSpec const& graph)
{
    double total = 0;
    for (Tensors const* const tensors : {&graph.inputs, &graph.outputs}) {
        std::set<std::string> names{""};
        for (TensorSpec const& tensor : *tensors) {
            if (!names.insert(tensor.name).second) {
                refuse_bundle(graph.file + " must give each input and output a name of its own, has " +
                              shown(tensor.name) + " twice or one without");
            }
            std::string const where = graph.file + " " + tensor.name;
            check_limit("rank", double(tensor.shape.size()), where);
            double count = 1;
            for (int64_t const size : tensor.shape) {
                check_limit("elements", double(size), where);
                count *= double(size);
            }
            total += count;
        }
    }
    check_limit("elements", total, graph.file);
}

std::string text(TensorSpec const& tensor)
{
    return tensor.name + " as " + tensor.text();
}

std::string names(Tensors const& tensors)
{
    std::string list;
    for (TensorSpec const& tensor : tensors) {
        list += (list.empty() ? "" : ", ") + tensor.name;
    }
    return list.empty() ? "nothing" : list;
}

/// The same tensors in the same order: TensorRT and the support state go by it.
void check_tensors(std::string const& file, Tensors const& found, Tensors const& expected)
{
    for (size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
        if (!(found[i] == expected[i])) {
            refuse_bundle(file + " has " + text(found[i]) + ", expected " + text(expected[i]));
        }
    }
    if (found.size() != expected.size()) {
        refuse_bundle(file + " has " + names(found) + ", expected " + names(expected));
    }
}

Tensors joined(Tensors first, Tensors const& second)
{
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

/// The form of the links that a graph reads, as it must be.
TensorSpec expected_structure(TensorSpec const& found, Model const& model)
{
    if (found.name == kAdjacency) {
        return {found.name, dtype("bool"), {1, model.shots, model.keypoints, model.keypoints}};
    }
    int64_t const heads = found.shape.empty() ? 0 : found.shape.back();
    check_limit("heads", double(heads), model.graphs.at("support").file + " " + found.name);
    return {found.name, dtype("int64"), {1, model.shots, model.keypoints, heads}};
}

/// Whether the graphs take and give what the numbers of model.json say, and what one another gives.
void check_shapes(Model const& model)
{
    GraphSpec const &pair = model.graphs.at("pair"), &support = model.graphs.at("support"),
                    &query = model.graphs.at("query");
    std::vector<int64_t> const& answer = query.tensor("points").shape;
    int64_t const shots = model.shots, count = model.keypoints, size = model.image_size,
                  layers = answer.empty() ? 0 : answer.front();
    check_limit("layers", double(layers), query.file + " points");
    Tensors annotation{{"support", dtype("uint8"), {1, shots, size, size, kColours}},
                       {"keypoints", dtype("float32"), {1, shots, count, 2}},
                       {"visible", dtype("bool"), {1, shots, count}}};
    if (TensorSpec const* const structure = model.structure()) {
        annotation.push_back(expected_structure(*structure, model));
    }
    Tensors const frame{{"query", dtype("uint8"), {1, size, size, kColours}}};
    Tensors answers{{"points", dtype("float32"), {layers, 1, count, 2}},
                    {"score", dtype("float32"), {1, count}}};
    if (std::any_of(query.outputs.begin(), query.outputs.end(),
                    [](TensorSpec const& tensor) { return tensor.name == "presence"; })) {
        answers.push_back({"presence", dtype("float32"), {1}});  // older bundles have none
    }
    check_tensors(support.file, support.inputs, annotation);
    check_tensors(query.file, query.inputs, joined(frame, support.outputs));
    check_tensors(query.file, query.outputs, answers);
    check_tensors(pair.file, pair.inputs, joined(frame, annotation));
    check_tensors(pair.file, pair.outputs, answers);
}

/// The same for `frames` frames: their axis is the second of points (L, N, K, 2), the first of others.
Tensors times(Tensors tensors, int64_t frames)
{
    for (TensorSpec& tensor : tensors) {
        if (tensor.shape.empty()) {
            refuse_bundle(tensor.name + " of a query graph has no axis for its frames");
        }
        tensor.shape[tensor.name == "points" ? 1 : 0] *= frames;
    }
    return tensors;
}

void check_batches(Model const& model)
{
    GraphSpec const& query = model.graphs.at("query");
    for (auto const& [name, graph] : model.graphs) {
        if (int64_t const frames = frames_of(name)) {
            check_limit("frames", double(frames), name);
            check_tensors(graph.file, graph.inputs, times(query.inputs, frames));
            check_tensors(graph.file, graph.outputs, times(query.outputs, frames));
        }
    }
}

}  // namespace

void check_rules(Model const& model)
{
    check_limit("keypoints", double(model.keypoints));
    check_limit("shots", double(model.shots));
    check_limit("batch", double(model.batch));
    check_limit("image_size", double(model.image_size));
    check_limit("crop_padding", model.crop_padding);
    check_files(model);
    check_graph_names(model);
    for (auto const& [name, graph] : model.graphs) {
        check_memory(graph);
    }
    check_shapes(model);
    check_batches(model);
}

}  // namespace fmmp::runtime
