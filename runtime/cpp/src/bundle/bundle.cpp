// SPDX-License-Identifier: Apache-2.0
#include "bundle/bundle.h"

#include "bundle/model_json.h"
#include "files/files.h"
#include "files/sha256.h"

namespace fmmp::runtime {
namespace {

[[noreturn]] void refuse(std::string const& message)
{
    throw Error(Fault::kBundle, message);
}

void check_format(std::string const& file, Json const* found)
{
    auto const* const format = found ? get<int64_t>(*found) : nullptr;
    if (format && *format == kBundleFormat) {
        return;
    }
    std::string const known = file + " has bundle format " +
                              (format ? std::to_string(*format) : std::string("none")) +
                              ", this fmmp reads " + std::to_string(kBundleFormat);
    bool const newer = format && *format > kBundleFormat;
    refuse(known + (newer ? ": it was made by a newer fmmp: update fmmp" : ": export the checkpoint again"));
}

}  // namespace

std::string EngineSpec::file() const
{
    std::string const operators = plugin.empty() ? "noplugin" : plugin.substr(0, kShownDigits);
    return "engines/" + graph + "-" + version + "-" + arch + "-" + operators + ".engine";
}

TensorSpec const& GraphSpec::tensor(std::string const& name) const
{
    for (auto const* const tensors : {&inputs, &outputs}) {
        for (TensorSpec const& tensor : *tensors) {
            if (tensor.name == name) {
                return tensor;
            }
        }
    }
    refuse(file + " has no input or output '" + name + "'");
}

TensorSpec const* Model::structure() const
{
    for (char const* const name : {kReferenceIndex, kAdjacency}) {
        for (TensorSpec const& tensor : graphs.at("support").inputs) {
            if (tensor.name == name) {
                return &tensor;
            }
        }
    }
    return nullptr;
}

std::vector<TensorSpec> Model::state_tensors() const
{
    std::vector<TensorSpec> tensors;
    for (TensorSpec const& tensor : graphs.at("query").inputs) {
        if (tensor.name != "query") {
            tensors.push_back(tensor);
        }
    }
    return tensors;
}

std::string Model::state_key() const
{
    std::string lines;
    for (std::string const& name :
         {graphs.at("support").file, graphs.at("query").file, std::string(kWeightsFile)}) {
        lines += name + " " + files.at(name) + "\n";
    }
    return runtime::sha256(lines);
}

std::map<std::string, std::string> Model::built_from(std::string const& graph) const
{
    std::map<std::string, std::string> found = files;
    found.erase("reference.safetensors");  // no engine depends on it
    for (auto const& [name, spec] : graphs) {
        if (name != graph) {
            found.erase(spec.file);
        }
    }
    return found;
}

Bundle Bundle::open(std::string const& path)
{
    if (!is_folder(path)) {
        throw Error(Fault::kFile,
                    "no bundle at " + path + ": expected a folder with model.json (fmmp-export writes one)");
    }
    std::string const file = path + "/model.json";
    if (!is_file(file)) {
        refuse(path + " is not a bundle: it has no model.json (fmmp-export writes one)");
    }
    Json content;
    try {
        content = parse_json(read_file(file));
    } catch (JsonError const& error) {
        refuse(file + " is not JSON, so the bundle is broken: export it again (" + error.what() + ")");
    }
    auto const* const members = get<Json::object_t>(content);
    if (!members) {
        refuse(file + " must hold a JSON object, got " + kind(content));
    }
    auto const format = members->find("format");
    check_format(file, format == members->end() ? nullptr : &format->second);
    try {
        return {path, read_model(content)};
    } catch (Error const& error) {
        refuse(file + ": " + error.what());
    }
}

std::string Bundle::read_checked(std::string const& name) const
{
    std::string const file = path + "/" + name;
    std::string const& expected = model.files.at(name);
    if (!is_file(file)) {
        refuse(file + " is missing: copy the whole folder, or export it again");
    }
    std::string bytes = read_file(file);
    std::string const found = sha256(bytes);
    if (found != expected) {
        refuse(file + " has changed since its export (SHA-256 " + found.substr(0, kShownDigits) +
               ", expected " + expected.substr(0, kShownDigits) + "): copy or export the bundle again");
    }
    return bytes;
}

}  // namespace fmmp::runtime
