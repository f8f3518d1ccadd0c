// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api.h"
#include "fmmp/check.h"

namespace fmmp::ort {

constexpr char const* kDomain = "fmmp";

/// An operator as ONNX Runtime sees it. One kernel serves all types: it asks the tensors.
struct Op : OrtCustomOp {
    Op(OrtApi const* api, char const* name, ValueForm form);

    Api api;
    char const* name;
    ValueForm form;
};

}  // namespace fmmp::ort
