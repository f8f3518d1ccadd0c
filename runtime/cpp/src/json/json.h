// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

namespace fmmp::runtime {

using Json = nlohmann::json;

/// Text that is no JSON; says where.
struct JsonError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Read JSON (RFC 8259) strictly: beside what the library refuses, no key twice, no whole number beyond 64
/// bits with sign, and at most 64 values inside each other.
Json parse_json(std::string_view text);

/// Null unless the value is of that kind: bool, int64_t, double, std::string, Json::array_t, Json::object_t.
template <typename T>
T const* get(Json const& value)
{
    return value.get_ptr<T const*>();
}

/// "object", "array", "string", "int", "float", "bool" or "null".
char const* kind(Json const& value);

/// A string as JSON, with its quotes; bytes that are no UTF-8 become U+FFFD.
std::string quote(std::string const& text);

}  // namespace fmmp::runtime
