// SPDX-License-Identifier: Apache-2.0
#include "json/safetensors.h"

#include <algorithm>
#include <cstring>

#include "json/json.h"

namespace fmmp::runtime {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr uint64_t kLongestHeader = 100'000'000;  // as the format's own reader

[[noreturn]] void fail(std::string const& message)
{
    throw std::runtime_error(message);
}

template <typename T>
T const& member(Json::object_t const& object, char const* key, std::string const& of)
{
    auto const found = object.find(key);
    T const* const value = found == object.end() ? nullptr : get<T>(found->second);
    if (!value) {
        fail("the header gives no usable " + std::string(key) + " of " + of);
    }
    return *value;
}

TensorSpec read_spec(std::string const& name, Json::object_t const& entry)
{
    TensorSpec spec{name, nullptr, {}};
    std::string const& dtype = member<std::string>(entry, "dtype", name);
    for (Dtype const& known : kDtypes) {
        if (dtype == known.safetensors) {
            spec.dtype = &known;
        }
    }
    if (!spec.dtype) {
        fail(name + " is of type " + dtype + ", which no support state has");
    }
    int64_t count = 1;
    for (Json const& item : member<Json::array_t>(entry, "shape", name)) {
        auto const* const size = get<int64_t>(item);
        if (!size || *size < 0 || (*size > 0 && count > INT64_MAX / 8 / *size)) {
            fail("the header gives no usable shape of " + name);
        }
        count *= *size;
        spec.shape.push_back(*size);
    }
    return spec;
}

struct Range {
    uint64_t begin, end;
    std::string name;
};

Range read_range(std::string const& name, Json::object_t const& entry, uint64_t body)
{
    Json::array_t const& offsets = member<Json::array_t>(entry, "data_offsets", name);
    auto const* const begin = offsets.size() == 2 ? get<int64_t>(offsets[0]) : nullptr;
    auto const* const end = offsets.size() == 2 ? get<int64_t>(offsets[1]) : nullptr;
    if (!begin || !end || *begin < 0 || *end < *begin || uint64_t(*end) > body) {
        fail("the bytes of " + name + " lie outside the file");
    }
    return {uint64_t(*begin), uint64_t(*end), name};
}

void check_layout(std::vector<Range> ranges, uint64_t body)
{
    std::sort(ranges.begin(), ranges.end(), [](Range const& one, Range const& other) {
        return std::make_pair(one.begin, one.end) < std::make_pair(other.begin, other.end);
    });
    uint64_t next = 0;
    for (Range const& range : ranges) {
        if (range.begin != next) {
            fail("the bytes of " + range.name + " do not follow those before it");
        }
        next = range.end;
    }
    if (next != body) {
        fail("the header describes " + std::to_string(next) + " bytes of tensors, the file has " +
             std::to_string(body));
    }
}

}  // namespace

Safetensors parse_safetensors(std::string const& bytes)
{
    uint64_t length = 0;
    for (size_t i = 0; i < kLengthBytes && i < bytes.size(); ++i) {
        length |= uint64_t(uint8_t(bytes[i])) << (8 * i);
    }
    if (bytes.size() < kLengthBytes || length > kLongestHeader || length > bytes.size() - kLengthBytes) {
        fail("its header is longer than the file");
    }
    Json const header = parse_json(std::string_view(bytes).substr(kLengthBytes, length));
    auto const* const members = get<Json::object_t>(header);
    if (!members) {
        fail("its header is no JSON object");
    }
    char const* const body = bytes.data() + kLengthBytes + length;
    uint64_t const body_size = bytes.size() - kLengthBytes - length;
    Safetensors content;
    std::vector<Range> ranges;
    for (auto const& [name, value] : *members) {
        auto const* const entry = get<Json::object_t>(value);
        if (!entry) {
            fail("the header has " + name + " as " + kind(value));
        }
        if (name == "__metadata__") {
            for (auto const& [key, text] : *entry) {
                content.texts[key] = member<std::string>(*entry, key.c_str(), name);
            }
            continue;
        }
        TensorSpec const spec = read_spec(name, *entry);
        Range const range = read_range(name, *entry, body_size);
        if (range.end - range.begin != spec.bytes()) {
            fail(name + " as " + spec.text() + " does not take " + std::to_string(range.end - range.begin) +
                 " bytes");
        }
        auto const* const first = reinterpret_cast<uint8_t const*>(body) + range.begin;
        content.tensors[name].assign(first, first + spec.bytes());
        content.specs.emplace(name, spec);
        ranges.push_back(range);
    }
    check_layout(std::move(ranges), body_size);
    return content;
}

std::string write_safetensors(std::vector<TensorSpec> const& specs, Tensors const& tensors,
                              std::map<std::string, std::string> const& texts)
{
    // The format's own reader wants wider types first, so that all are aligned.
    std::vector<TensorSpec> ordered = specs;
    std::stable_sort(ordered.begin(), ordered.end(), [](TensorSpec const& one, TensorSpec const& other) {
        return one.dtype->size > other.dtype->size;
    });
    std::string header = "{\"__metadata__\":{", body;
    for (auto const& [key, text] : texts) {
        header += (header.back() == '{' ? "" : ",") + quote(key) + ":" + quote(text);
    }
    header += "}";
    for (TensorSpec const& spec : ordered) {
        std::vector<uint8_t> const& tensor = tensors.at(spec.name);
        std::string shape;
        for (int64_t const size : spec.shape) {
            shape += (shape.empty() ? "" : ",") + std::to_string(size);
        }
        header += "," + quote(spec.name) + ":{\"dtype\":\"" + spec.dtype->safetensors + "\",\"shape\":[" +
                  shape + "],\"data_offsets\":[" + std::to_string(body.size()) + "," +
                  std::to_string(body.size() + tensor.size()) + "]}";
        body.append(reinterpret_cast<char const*>(tensor.data()), tensor.size());
    }
    header += "}";
    header.append((kLengthBytes - header.size() % kLengthBytes) % kLengthBytes, ' ');
    std::string length;
    for (size_t i = 0; i < kLengthBytes; ++i) {
        length += char(uint64_t(header.size()) >> (8 * i) & 0xff);
    }
    return length + header + body;
}

}  // namespace fmmp::runtime
