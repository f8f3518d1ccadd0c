// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace fmmp::runtime {

/// Text that is no JSON; says where.
struct JsonError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A JSON value (RFC 8259), read strictly: no comment, no NaN, no key twice, nothing after it, and at most
/// 64 values inside each other.
class Json {
public:
    using Array = std::vector<Json>;
    using Object = std::map<std::string, Json>;
    using Value = std::variant<std::nullptr_t, bool, int64_t, double, std::string, Array, Object>;

    static Json parse(std::string_view text);

    Json() = default;
    template <typename T>
    explicit Json(T value) : value_(std::in_place_type<T>, std::move(value))
    {
    }

    /// Null unless it is of that kind.
    template <typename T>
    T const* get() const
    {
        return std::get_if<T>(&value_);
    }

    /// "object", "array", "string", "int", "float", "bool" or "null".
    char const* kind() const;

private:
    Value value_ = nullptr;
};

/// A string as JSON, with its quotes.
std::string quote(std::string_view text);

}  // namespace fmmp::runtime
