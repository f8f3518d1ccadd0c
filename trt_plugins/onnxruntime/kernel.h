// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>

#include "op.h"

namespace fmmp::ort {

enum Input { kValue, kSpatialShapes, kLevelStartIndex, kSamplingLocations, kAttentionWeights, kNumInputs };
constexpr std::array<char const*, kNumInputs> kInputNames{"value", "spatial_shapes", "level_start_index",
                                                          "sampling_locations", "attention_weights"};

/// Throw unless the operator has a loop for these element types. One that is not known yet (undefined)
/// passes.
void check_types(std::array<ONNXTensorElementDataType, kNumInputs> const& types);

/// Run `op` on the tensors of one call.
void compute(Op const& op, OrtKernelContext* context);

}  // namespace fmmp::ort
