// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bundle/bundle.h"
#include "pose/skeleton.h"

namespace fmmp::runtime {

/// A remembered category, in memory and in the file of fmmp_runtime/support_state.py.
struct SupportState {
    Tensors tensors;  // inputs of the query graph
    Links links;
    Flags known;  // (K_c,) visible in at least one support
    int64_t shots = 0;
    std::vector<std::string> notes;  // what was assumed, for people
    std::shared_ptr<Bundle const> bundle;

    void save(std::string const& path) const;

    static SupportState load(std::string const& path, std::shared_ptr<Bundle const> bundle);
};

/// "[[0, 1], [1, 2]]".
std::string links_json(Links const& links);

/// "[true, false]".
std::string flags_json(Flags const& flags);

}  // namespace fmmp::runtime
