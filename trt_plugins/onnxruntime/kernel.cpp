// SPDX-License-Identifier: Apache-2.0
#include "kernel.h"

#include "fmmp/ms_deform_attn_cpu.h"

namespace fmmp::ort {
namespace {

constexpr auto kFloat = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
constexpr auto kHalf = ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
constexpr auto kBFloat16 = ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16;
constexpr auto kInt32 = ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
constexpr auto kUnknown = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;

std::string name_of(ONNXTensorElementDataType type)
{
    switch (type) {
        case kFloat:
            return "float32";
        case kHalf:
            return "float16";
        case kBFloat16:
            return "bfloat16";
        case kInt32:
            return "int32";
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64:
            return "int64";
        case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE:
            return "float64";
        default:
            return "element type " + std::to_string(int(type)) + " of ONNX";
    }
}

struct InputTensor : TensorInfo {
    void const* data;
};

InputTensor read_input(Api const& api, OrtKernelContext const* context, size_t index)
{
    OrtValue const* value = nullptr;
    OrtTensorTypeAndShapeInfo* info = nullptr;
    void* data = nullptr;
    api.check(api->KernelContext_GetInput(context, index, &value));
    api.check(api->GetTensorTypeAndShape(value, &info));
    Owned<OrtTensorTypeAndShapeInfo> const owner(info, api->ReleaseTensorTypeAndShapeInfo);
    api.check(api->GetTensorMutableData(const_cast<OrtValue*>(value), &data));  // only read from
    return {api.read(info), data};
}

/// Memory of an output; null if the graph does not want it.
void* make_output(Api const& api, OrtKernelContext* context, size_t index, TensorShape const& shape)
{
    OrtValue* value = nullptr;
    void* data = nullptr;
    api.check(api->KernelContext_GetOutput(context, index, shape.data(), shape.size(), &value));
    if (value) {
        api.check(api->GetTensorMutableData(value, &data));
    }
    return data;
}

/// ONNX Runtime's own thread pool, so that no second one fights it for the cores.
struct Pool {
    Api const& api;
    OrtKernelContext const* context;

    static void run(void* self, void (*task)(void*, size_t), size_t count, void* argument)
    {
        auto const* const pool = static_cast<Pool const*>(self);
        pool->api.check(pool->api->KernelContext_ParallelFor(pool->context, task, count, 0, argument));
    }
};

template <typename T, typename L>
void run(std::array<InputTensor, kNumInputs> const& inputs, MsDeformAttnDims const& dims, void* output,
         void* coverage, ParallelFor const& parallel_for)
{
    for (Input index : {kValue, kSamplingLocations, kAttentionWeights, kSpatialShapes, kLevelStartIndex}) {
        size_t const size = index == kValue ? sizeof(T) : inputs[index].type == kInt32 ? 4 : sizeof(L);
        require(check_aligned(kInputNames[index], inputs[index].data, size));
    }
    auto const* const spatial_shapes = static_cast<int32_t const*>(inputs[kSpatialShapes].data);
    auto const* const level_start_index = static_cast<int32_t const*>(inputs[kLevelStartIndex].data);
    require(check_levels(spatial_shapes, level_start_index, dims));
    ms_deform_attn_cpu<T, L>({static_cast<T const*>(inputs[kValue].data), spatial_shapes, level_start_index,
                              static_cast<L const*>(inputs[kSamplingLocations].data),
                              static_cast<L const*>(inputs[kAttentionWeights].data), static_cast<T*>(output),
                              static_cast<T*>(coverage)},
                             dims, parallel_for);
}

}  // namespace

void check_types(std::array<ONNXTensorElementDataType, kNumInputs> const& types)
{
    auto const value = types[kValue], locations = types[kSamplingLocations];
    auto const refuse = [&](Input index, std::string const& expected) {
        throw InvalidArgument(std::string(kInputNames[index]) + " must be " + expected + ", got " +
                              name_of(types[index]));
    };
    if (value != kUnknown && value != kFloat && value != kHalf && value != kBFloat16) {
        refuse(kValue, "float32, float16 or bfloat16");
    }
    for (Input index : {kSpatialShapes, kLevelStartIndex}) {
        if (types[index] != kUnknown && types[index] != kInt32) {
            refuse(index, "int32");
        }
    }
    if (locations != kUnknown && locations != kFloat &&
        !(locations == kHalf && (value == kHalf || value == kUnknown))) {
        refuse(kSamplingLocations, value == kHalf ? "float32 or float16" : "float32");
    }
    if (locations != kUnknown && types[kAttentionWeights] != kUnknown &&
        types[kAttentionWeights] != locations) {
        refuse(kAttentionWeights, name_of(locations) + " like sampling_locations");
    }
}

void compute(Op const& op, OrtKernelContext* context)
{
    std::array<InputTensor, kNumInputs> inputs;
    std::array<ONNXTensorElementDataType, kNumInputs> types;
    for (size_t index = 0; index < kNumInputs; ++index) {
        inputs[index] = read_input(op.api, context, index);
        types[index] = inputs[index].type;
    }
    check_types(types);
    MsDeformAttnDims dims;
    require(read_dims(op.form, inputs[kValue].shape, inputs[kSpatialShapes].shape,
                      inputs[kLevelStartIndex].shape, inputs[kSamplingLocations].shape,
                      inputs[kAttentionWeights].shape, dims));

    void* const output =
        make_output(op.api, context, 0, {dims.batch, dims.num_queries, dims.num_heads, dims.head_dim});
    void* const coverage =
        op.form == ValueForm::kShared
            ? make_output(op.api, context, 1, {dims.batch, dims.num_queries, dims.num_heads})
            : nullptr;
    Pool pool{op.api, context};
    ParallelFor const parallel_for{Pool::run, &pool};
    if (types[kValue] == kFloat) {
        run<float, float>(inputs, dims, output, coverage, parallel_for);
    } else if (types[kValue] == kBFloat16) {
        run<BFloat16, float>(inputs, dims, output, coverage, parallel_for);
    } else if (types[kSamplingLocations] == kFloat) {
        run<Half, float>(inputs, dims, output, coverage, parallel_for);
    } else {
        run<Half, Half>(inputs, dims, output, coverage, parallel_for);
    }
}

}  // namespace fmmp::ort
