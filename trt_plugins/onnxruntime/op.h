// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "call.h"

namespace fmmp::ort {

constexpr char const* kDomain = "fmmp";

/// Where an output's size comes from: an axis of an input, counted from the end if negative.
struct Axis {
    size_t input;
    int axis;
};

/// What an operator is for one choice of types, apart from its formula.
struct Definition {
    char const* name;
    std::vector<Input> inputs;
    std::vector<Axis> output;           // of the first input's type
    size_t num_outputs;                 // all of that type; those after the first may be left out
    void (*compute)(Call const& call);  // types are checked, shapes are not
};

/// An operator as ONNX Runtime sees it. Each choice of types is an operator of its own with the same name: so
/// ONNX Runtime refuses other types when a session is made, and knows the type of the output also where a
/// graph says nothing about ranks.
struct Op : OrtCustomOp {
    Op(OrtApi const* api, Definition definition);

    Api api;
    Definition definition;
};

/// One for each choice of types.
std::vector<Definition> multi_scale_deformable_attention();
std::vector<Definition> shared_value_deformable_attention();
std::vector<Definition> projected_deformable_attention();

}  // namespace fmmp::ort
