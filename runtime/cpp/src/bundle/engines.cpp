// SPDX-License-Identifier: Apache-2.0
#include "bundle/engines.h"

#include "files/files.h"
#include "files/sha256.h"

namespace fmmp::runtime {
namespace {

std::string changed_file(std::map<std::string, std::string> const& then,
                         std::map<std::string, std::string> const& now)
{
    for (auto const* const files : {&then, &now}) {
        auto const& other = files == &then ? now : then;
        for (auto const& [name, digest] : *files) {
            auto const match = other.find(name);
            if (match == other.end() || match->second != digest) {
                return name;
            }
        }
    }
    return "";
}

}  // namespace

std::vector<std::string> differences(EngineSpec const& engine, EngineKey const& key, Model const& model)
{
    std::vector<std::string> found;
    if (engine.arch != key.arch) {
        found.push_back("for " + engine.arch);
    }
    if (engine.version != key.version) {
        found.push_back("with TensorRT " + engine.version);
    }
    if (!engine.plugin.empty() && engine.plugin != key.plugin) {
        found.push_back("with another operator library (" + engine.plugin.substr(0, kShownDigits) +
                        ", here is " + key.plugin.substr(0, kShownDigits) + ")");
    }
    std::string const changed = changed_file(engine.built_from, model.built_from(key.graph));
    if (!changed.empty()) {
        found.push_back("from another " + changed);
    }
    return found;
}

PickedEngine pick_engine(Bundle const& bundle, EngineKey const& key)
{
    std::string const mend =
        "`fmmp-export --bundle " + bundle.path + " --backend tensorrt --arch " + key.arch + "` builds it";
    std::string const none =
        bundle.path + " has no engine for " + key.graph + " on " + key.arch + " with TensorRT " + key.version;
    EngineSpec const* nearest = nullptr;
    std::vector<std::string> fewest;
    for (EngineSpec const& engine : bundle.model.engines) {
        if (engine.graph != key.graph || engine.backend != "tensorrt") {
            continue;
        }
        std::vector<std::string> const found = differences(engine, key, bundle.model);
        if (!nearest || found.size() < fewest.size()) {
            nearest = &engine;
            fewest = found;
        }
    }
    if (!nearest) {
        throw Error(Fault::kBackend, none + ": " + mend);
    }
    if (!fewest.empty()) {
        throw Error(Fault::kBackend,
                    none + "; " + nearest->file() + " was built " + join(fewest, ", ") + ": " + mend);
    }
    std::string const file = bundle.path + "/" + nearest->file();
    if (!is_file(file)) {
        throw Error(Fault::kBundle, file + " is missing: " + mend);
    }
    std::string plan = read_file(file);
    std::string const digest = sha256(plan);
    if (digest != nearest->sha256) {
        throw Error(Fault::kBundle, file + " has changed since it was built (SHA-256 " +
                                        digest.substr(0, kShownDigits) + ", expected " +
                                        nearest->sha256.substr(0, kShownDigits) + "): " + mend);
    }
    return {*nearest, std::move(plan)};
}

std::string join(std::vector<std::string> const& words, char const* between)
{
    std::string text;
    for (std::string const& word : words) {
        text += (text.empty() ? "" : between) + word;
    }
    return text;
}

}  // namespace fmmp::runtime
