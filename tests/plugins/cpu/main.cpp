// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "harness.h"

/// Whether the test was asked for: part of its name was given, or no name at all.
static bool wanted(char const* name, int argc, char** argv)
{
    bool found = argc == 1;
    for (int i = 1; i < argc; ++i) {
        found = found || std::strstr(name, argv[i]);
    }
    return found;
}

int main(int argc, char** argv)
{
    int run = 0, failed = 0;
    for (test::Test const& one : test::all()) {
        if (!wanted(one.name, argc, argv)) {
            continue;
        }
        test::failures = 0;
        one.body();
        ++run;
        failed += test::failures > 0;
        std::printf("%s %s\n", test::failures ? "FAILED" : "ok", one.name);
    }
    std::printf("%d passed, %d failed\n", run - failed, failed);
    return failed > 0 || run == 0;
}
