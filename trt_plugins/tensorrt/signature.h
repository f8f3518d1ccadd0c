// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <NvInferRuntime.h>

#include <string>

#include "cuda/ms_deform_attn.h"
#include "fmmp/check.h"

/// What TensorRT calls the operators and their tensors, and which types they may have.
namespace fmmp::tensorrt {

inline constexpr char const* kPluginVersion = "1";
inline constexpr char const* kPluginNamespace = "";

/// One operator: its name, how the value is shaped, and whether coverage is its second output.
struct Operator {
    char const* name;
    ValueForm form;
    int32_t num_outputs;
};
inline constexpr Operator kOperators[] = {{"MultiScaleDeformableAttention", ValueForm::kPerHead, 1},
                                          {"SharedValueDeformableAttention", ValueForm::kShared, 2}};

enum Tensor : int32_t {
    kValue,
    kSpatialShapes,
    kLevelStartIndex,
    kSamplingLocations,
    kAttentionWeights,
    kNumInputs,
    kOutput = kNumInputs,
    kCoverage,
    kMaxTensors,
};
inline constexpr char const* kTensorNames[kMaxTensors] = {
    "value",  "spatial_shapes", "level_start_index", "sampling_locations", "attention_weights",
    "output", "coverage"};

/// Optional field: height and width of each level. With it the sizes are checked when the engine is built and
/// travel with each launch; without it the kernel reads them from the two input tensors.
inline constexpr char const* kLevelSizes = "level_sizes";

char const* type_name(nvinfer1::DataType type);

/// Whether tensor `position` may have its type, given the types before it.
bool type_fits(int32_t position, nvinfer1::DataType const* types);

/// Empty when the first `count` tensors have types that go together, else one sentence.
std::string check_types(nvinfer1::DataType const* types, int32_t count);

/// The kernel's word for a type that `type_fits` has let through.
CudaStorage storage(nvinfer1::DataType type);

}  // namespace fmmp::tensorrt
