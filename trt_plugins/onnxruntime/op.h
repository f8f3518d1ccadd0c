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

/// What an operator is, apart from its formula.
struct Definition {
    char const* name;
    std::vector<Input> inputs;
    std::vector<std::vector<Axis>>
        outputs;  // all of the first input's type; those after the first may be left out
    void (*compute)(Call const& call);  // types are checked, shapes are not
};

/// An operator as ONNX Runtime sees it. One kernel serves all types: it asks the tensors.
struct Op : OrtCustomOp {
    Op(OrtApi const* api, Definition definition);

    Api api;
    Definition definition;
};

Definition multi_scale_deformable_attention();
Definition shared_value_deformable_attention();
Definition projected_deformable_attention();

}  // namespace fmmp::ort
