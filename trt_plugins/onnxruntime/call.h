// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fmmp/check.h"
#include "fmmp/ms_deform_attn_cpu.h"
#include "fmmp/ort_api.h"

/// One call of an operator: its tensors, found by their place in the list of inputs.
namespace fmmp::ort {

using Type = ONNXTensorElementDataType;
constexpr Type kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
constexpr Type kHalf = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
constexpr Type kBFloat16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
constexpr Type kInt32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
constexpr Type kUnknown = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;

/// An input and the one type that an operator takes it in.
struct Input {
    char const* name;
    Type type;
};

/// What ONNX calls a type that a loop stores elements in.
template <typename T>
constexpr Type kTypeOf = kUnknown;
template <>
inline constexpr Type kTypeOf<float> = kFloat;
template <>
inline constexpr Type kTypeOf<Half> = kHalf;
template <>
inline constexpr Type kTypeOf<BFloat16> = kBFloat16;

struct InputTensor : TensorInfo {
    void const* data = nullptr;
};

class Call {
public:
    Call(Api const& api, OrtKernelContext* context, std::vector<Input> const& inputs);

    TensorShape const& shape(size_t input) const { return tensors_[input].shape; }

    /// Data of an input. Throws if it does not start at a multiple of its element size.
    template <typename T>
    T const* data(size_t input) const
    {
        require(check_aligned(inputs_[input].name, tensors_[input].data, sizeof(T)));
        return static_cast<T const*>(tensors_[input].data);
    }

    /// Memory of an output; null if the graph does not want it.
    void* output(size_t index, TensorShape const& shape) const;

    /// ONNX Runtime's own thread pool, so that no second one fights it for the cores.
    ParallelFor parallel_for() const;

private:
    Api const& api_;
    OrtKernelContext* context_;
    std::vector<Input> const& inputs_;
    std::vector<InputTensor> tensors_;
};

}  // namespace fmmp::ort
