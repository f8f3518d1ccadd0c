// SPDX-License-Identifier: Apache-2.0
#include "bundle/support_state.h"

#include <algorithm>

#include "files/files.h"
#include "files/sha256.h"
#include "json/json.h"
#include "json/safetensors.h"
#include "pose/annotation.h"

namespace fmmp::runtime {
namespace {

constexpr char kVersion[] = "1";
constexpr char kSearching[] = "2";     // what the search of the Python runtime looks for is there too
constexpr char kSought[] = "search_";  // how names of its tensors begin; this runtime leaves them alone
constexpr char kAgain[] = "remember the support again with this bundle (fmmp-run --save-state)";

using Texts = std::map<std::string, std::string>;

[[noreturn]] void refuse(std::string const& message)
{
    throw Error(Fault::kState, message);
}

[[noreturn]] void broken(std::string const& file, char const* key)
{
    refuse(file + " has no usable '" + key + "': copy it again, or " + kAgain);
}

std::string digest(std::vector<TensorSpec> const& specs, Tensors const& tensors)
{
    Sha256 digest;
    for (TensorSpec const& spec : specs) {
        std::vector<uint8_t> const& tensor = tensors.at(spec.name);
        digest.update(tensor.data(), tensor.size());
    }
    return digest.hex();
}

bool is_newer(std::string const& version)
{
    bool const whole = !version.empty() && std::all_of(version.begin(), version.end(),
                                                       [](char sign) { return sign >= '0' && sign <= '9'; });
    return whole && version != "0";
}

void check_origin(std::string const& file, Texts const& texts, Bundle const& bundle)
{
    auto const version = texts.find("fmmp_state");
    if (version == texts.end()) {
        refuse(file + " is a safetensors file, but no support state: " + kAgain);
    }
    if (version->second != kVersion && version->second != kSearching) {
        refuse(file + " has version '" + version->second + "', this fmmp reads " + kVersion + " and " +
               kSearching + ": " +
               (is_newer(version->second) ? "it was made by a newer fmmp: update fmmp" : kAgain));
    }
    auto const origin = texts.find("bundle");
    std::string const found = origin == texts.end() ? "" : origin->second;
    std::string const expected = bundle.model.state_key();
    if (found != expected) {
        refuse(file + " was made with another bundle (" + found.substr(0, kShownDigits) + ") than " +
               bundle.path + " (" + expected.substr(0, kShownDigits) + "): " + kAgain);
    }
}

void leave_out_search(Safetensors& content)
{
    for (auto found = content.specs.begin(); found != content.specs.end();) {
        if (found->first.rfind(kSought, 0) == 0) {
            content.tensors.erase(found->first);
            found = content.specs.erase(found);
        } else {
            ++found;
        }
    }
}

void check_tensors(std::string const& file, Safetensors const& content, Model const& model)
{
    std::vector<TensorSpec> const specs = model.state_tensors();
    for (TensorSpec const& expected : specs) {
        auto const found = content.specs.find(expected.name);
        if (found == content.specs.end() || !(found->second == expected)) {
            refuse(file + " has " + expected.name + " as " +
                   (found == content.specs.end() ? "nothing" : found->second.text()) + ", expected " +
                   expected.text() + ": copy it again");
        }
    }
    if (content.specs.size() != specs.size()) {
        refuse(file + " has more tensors than a support state of this bundle: copy it again");
    }
    auto const sum = content.texts.find("tensors");
    if (sum == content.texts.end() || sum->second != digest(specs, content.tensors)) {
        refuse(file + " has changed since it was written: copy it again, or " + kAgain);
    }
}

Json read_text(std::string const& file, Texts const& texts, char const* key)
{
    auto const text = texts.find(key);
    if (text == texts.end()) {
        broken(file, key);
    }
    try {
        return parse_json(text->second);
    } catch (JsonError const&) {
        broken(file, key);
    }
}

/// The items of an array, all of one kind.
template <typename T>
std::vector<T> read_items(std::string const& file, char const* key, Json const& value)
{
    auto const* const array = get<Json::array_t>(value);
    if (!array) {
        broken(file, key);
    }
    std::vector<T> items;
    for (Json const& item : *array) {
        T const* const found = get<T>(item);
        if (!found) {
            broken(file, key);
        }
        items.push_back(*found);
    }
    return items;
}

Links read_links(std::string const& file, Json const& value, int64_t count)
{
    Links links;
    for (Json::array_t const& pair : read_items<Json::array_t>(file, "links", value)) {
        std::vector<int64_t> const ends = read_items<int64_t>(file, "links", Json(pair));
        if (ends.size() != 2) {
            broken(file, "links");
        }
        links.emplace_back(ends[0], ends[1]);
    }
    try {
        check_links(links, count, false);
    } catch (Error const&) {
        broken(file, "links");
    }
    return links;
}

}  // namespace

void SupportState::save(std::string const& path) const
{
    std::vector<TensorSpec> const specs = bundle->model.state_tensors();
    std::string quoted;
    for (std::string const& note : notes) {
        quoted += (quoted.empty() ? "" : ", ") + quote(note);
    }
    Texts const texts{{"fmmp_state", kVersion},           {"bundle", bundle->model.state_key()},
                      {"links", links_json(links)},       {"known", flags_json(known)},
                      {"shots", std::to_string(shots)},   {"notes", "[" + quoted + "]"},
                      {"tensors", digest(specs, tensors)}};
    write_atomically(path, write_safetensors(specs, tensors, texts));
}

SupportState SupportState::load(std::string const& path, std::shared_ptr<Bundle const> bundle)
{
    std::string const bytes = read_file(path);
    if (bytes.empty()) {
        refuse(path + " is empty (0 bytes): copy it again");
    }
    Safetensors content;
    try {
        content = parse_safetensors(bytes);
    } catch (std::runtime_error const& error) {
        refuse(path + " is cut off, or no support state: copy it again (" + error.what() + ")");
    }
    check_origin(path, content.texts, *bundle);
    leave_out_search(content);
    check_tensors(path, content, bundle->model);

    Json const shots_json = read_text(path, content.texts, "shots");
    int64_t const* const shots = get<int64_t>(shots_json);
    if (!shots || *shots < 1 || *shots > bundle->model.shots) {
        broken(path, "shots");
    }
    std::vector<bool> const flags = read_items<bool>(path, "known", read_text(path, content.texts, "known"));
    if (flags.empty() || int64_t(flags.size()) > bundle->model.keypoints) {
        broken(path, "known");
    }
    SupportState state;
    state.shots = *shots;
    state.known.assign(flags.begin(), flags.end());
    state.notes = read_items<std::string>(path, "notes", read_text(path, content.texts, "notes"));
    state.links = read_links(path, read_text(path, content.texts, "links"), int64_t(flags.size()));
    state.tensors = std::move(content.tensors);
    state.bundle = std::move(bundle);
    return state;
}

std::string links_json(Links const& links)
{
    std::string text;
    for (auto const& [start, end] : links) {
        text += (text.empty() ? "[" : ", [") + std::to_string(start) + ", " + std::to_string(end) + "]";
    }
    return "[" + text + "]";
}

std::string flags_json(Flags const& flags)
{
    std::string text;
    for (uint8_t const flag : flags) {
        text += std::string(text.empty() ? "" : ", ") + (flag ? "true" : "false");
    }
    return "[" + text + "]";
}

}  // namespace fmmp::runtime
