// SPDX-License-Identifier: Apache-2.0
#include "json/json.h"

#include <limits>
#include <set>
#include <vector>

namespace fmmp::runtime {
namespace {

constexpr int kDeepest = 64;

/// What the library lets pass and we do not. It asks at every value.
class Guard {
public:
    bool operator()(int depth, Json::parse_event_t event, Json& parsed)
    {
        if (depth > kDeepest) {
            throw JsonError("more than 64 values inside each other");
        }
        if (event == Json::parse_event_t::object_start) {
            keys_.emplace_back();
        } else if (event == Json::parse_event_t::object_end) {
            keys_.pop_back();
        } else if (event == Json::parse_event_t::key) {
            if (!keys_.back().insert(parsed.get<std::string>()).second) {
                throw JsonError("the key " + parsed.dump() + " is there twice");
            }
        } else if (event == Json::parse_event_t::value && parsed.is_number_unsigned()) {
            if (parsed.get<uint64_t>() > uint64_t(std::numeric_limits<int64_t>::max())) {
                throw JsonError("the number " + parsed.dump() + " is too large");
            }
            parsed = parsed.get<int64_t>();  // one type for whole numbers, with or without a sign
        }
        return true;
    }

private:
    std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

Json parse_json(std::string_view text)
{
    Guard guard;
    try {
        return Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
            return guard(depth, event, parsed);
        });
    } catch (Json::parse_error const& error) {
        throw JsonError("unexpected text at byte " + std::to_string(error.byte));
    } catch (Json::out_of_range const&) {
        throw JsonError("a number is too large");
    }
}

char const* kind(Json const& value)
{
    if (value.is_number()) {
        return value.is_number_integer() ? "int" : "float";
    }
    return value.is_boolean() ? "bool" : value.type_name();
}

std::string quote(std::string const& text)
{
    return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace fmmp::runtime
