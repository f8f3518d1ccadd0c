// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bundle/bundle.h"

/// What a model.json must keep to beyond its types, before anything is allocated or opened for it; as
/// fmmp_runtime/bundle/rules.py. tests/golden/model_rules.json holds the limits and a lie against each rule.
namespace fmmp::runtime {

/// Smallest and largest of what is multiplied into sizes of memory.
struct Limit {
    char const* of;
    double low, high;
};

inline constexpr Limit kLimits[] = {
    {"keypoints", 1, 4096},
    {"shots", 1, 256},
    {"batch", 1, 1},
    {"image_size", 1, 4096},
    {"crop_padding", 0.01, 100},
    {"heads", 1, 256},           // columns of the reference index
    {"layers", 1, 256},          // rows of the answer
    {"frames", 1, 256},          // of a query graph
    {"rank", 0, 8},              // axes of a tensor
    {"elements", 1, 268435456},  // of all inputs and outputs of one graph
};

/// Refuse a description that contradicts itself, or asks for more than anyone needs. Throws Error that names
/// the key or the graph, what was expected and what came.
void check_rules(Model const& model);

}  // namespace fmmp::runtime
