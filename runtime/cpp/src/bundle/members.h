// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "error.h"
#include "json/json.h"

/// Typed reading of a JSON file that describes a bundle: every fault names the key.
namespace fmmp::runtime {

[[noreturn]] inline void refuse_bundle(std::string const& message)
{
    throw Error(Fault::kBundle, message);
}

/// A text of the file in a message: quoted, one line, not longer than a file's name.
inline std::string shown(std::string const& text)
{
    constexpr size_t kLongest = 255;
    return quote(text.substr(0, kLongest));
}

/// The value as T, which `expected` names for people.
template <typename T>
T const& as(Json const& value, std::string const& where, char const* expected)
{
    T const* const found = get<T>(value);
    if (!found) {
        refuse_bundle(where + " must be " + expected + ", got " + kind(value));
    }
    return *found;
}

/// The members of an object, each of which must be asked for.
class Members {
public:
    Members(Json const& object, std::string where)
        : members_(as<Json::object_t>(object, where, "an object")), where_(std::move(where))
    {
    }

    Json const& operator[](char const* key)
    {
        Json const* const found = optional(key);
        if (!found) {
            refuse_bundle("no key '" + path(key) + "'");
        }
        return *found;
    }

    Json const* optional(char const* key)
    {
        known_.insert(key);
        auto const member = members_.find(key);
        return member == members_.end() ? nullptr : &member->second;
    }

    std::string text(char const* key) { return as<std::string>((*this)[key], path(key), "a string"); }

    std::string one_of(char const* key, std::initializer_list<char const*> choices)
    {
        std::string const found = text(key);
        std::string known;
        for (char const* const choice : choices) {
            if (found == choice) {
                return found;
            }
            known += (known.empty() ? "" : ", ") + std::string(choice);
        }
        refuse_bundle(path(key) + " must be one of " + known + ", got " + shown(found));
    }

    int64_t whole(char const* key) { return as<int64_t>((*this)[key], path(key), "a whole number"); }

    double real(char const* key) { return real_of((*this)[key], path(key)); }

    bool flag(char const* key) { return as<bool>((*this)[key], path(key), "true or false"); }

    Json::object_t const& object(char const* key)
    {
        return as<Json::object_t>((*this)[key], path(key), "an object");
    }

    Json::array_t const& array(char const* key)
    {
        return as<Json::array_t>((*this)[key], path(key), "an array");
    }

    std::map<std::string, std::string> texts(char const* key)
    {
        std::map<std::string, std::string> read;
        for (auto const& [name, item] : object(key)) {
            read[name] = as<std::string>(item, path(key) + "." + name, "a string");
        }
        return read;
    }

    std::vector<double> reals(char const* key)
    {
        std::vector<double> read;
        for (Json const& item : array(key)) {
            read.push_back(real_of(item, path(key)));
        }
        return read;
    }

    /// Of a member, for messages.
    std::string path(std::string const& key) const { return where_.empty() ? key : where_ + "." + key; }

    /// Refuse members that nobody asked for.
    void no_others() const
    {
        for (auto const& [key, value] : members_) {
            if (!known_.count(key)) {
                refuse_bundle("unknown key " + shown(path(key)));
            }
        }
    }

private:
    static double real_of(Json const& value, std::string const& where)
    {
        auto const* const whole = get<int64_t>(value);
        return whole ? double(*whole) : as<double>(value, where, "a number");
    }

    Json::object_t const& members_;
    std::string where_;
    std::set<std::string> known_;
};

}  // namespace fmmp::runtime
