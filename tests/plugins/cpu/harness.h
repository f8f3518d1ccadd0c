// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

/// A test runner in a few lines: `program [part of a test's name]...`; exit code 1 if a test failed.
namespace test {

struct Test {
    char const* name;
    void (*body)();
};

inline std::vector<Test>& all()
{
    static std::vector<Test> tests;
    return tests;
}

inline int failures = 0;

struct Register {
    Register(char const* name, void (*body)()) { all().push_back({name, body}); }
};

inline void expect(bool holds, std::string const& what)
{
    if (!holds && ++failures <= 20) {
        std::printf("  %s\n", what.c_str());
    }
}

inline void expect_near(double found, double expected, double atol, std::string const& what)
{
    bool const both_nan = std::isnan(found) && std::isnan(expected);
    expect(both_nan || found == expected || std::fabs(found - expected) <= atol,
           what + ": expected " + std::to_string(expected) + ", got " + std::to_string(found));
}

inline void expect_equal(std::string const& found, std::string const& expected)
{
    expect(found == expected, "expected \"" + expected + "\", got \"" + found + "\"");
}

}  // namespace test

#define TEST(name)                                              \
    static void name();                                         \
    static ::test::Register const register_##name{#name, name}; \
    static void name()
