// SPDX-License-Identifier: Apache-2.0
#include "call.h"

namespace fmmp::ort {
namespace {

std::string name_of(Type type)
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
            return "ONNX element type " + std::to_string(int(type));
    }
}

InputTensor read_input(Api const& api, OrtKernelContext const* context, size_t index)
{
    OrtValue const* value = nullptr;
    OrtTensorTypeAndShapeInfo* info = nullptr;
    void* data = nullptr;
    api.check(api->KernelContext_GetInput(context, index, &value));
    api.check(api->GetTensorTypeAndShape(value, &info));
    Owned<OrtTensorTypeAndShapeInfo> const owner(info, api->ReleaseTensorTypeAndShapeInfo);
    api.check(api->GetTensorMutableData(const_cast<OrtValue*>(value), &data));  // only read from
    InputTensor tensor;
    static_cast<TensorInfo&>(tensor) = api.read(info);
    tensor.data = data;
    return tensor;
}

}  // namespace

void check_types(std::vector<Input> const& inputs, std::vector<Type> const& types)
{
    Type const value = types[0];
    size_t locations = 0;
    auto const expect = [&](size_t input, bool right, std::string const& expected) {
        if (!right && types[input] != kUnknown) {
            throw InvalidArgument(std::string(inputs[input].name) + " must be " + expected + ", got " +
                                  name_of(types[input]));
        }
    };
    auto const expect_like = [&](size_t input, size_t other) {
        expect(input, types[input] == types[other] || types[other] == kUnknown,
               name_of(types[other]) + " like " + inputs[other].name);
    };
    for (size_t i = 0; i < inputs.size(); ++i) {
        Type const type = types[i];
        switch (inputs[i].rule) {
            case Rule::kValue:
                expect(i, type == kFloat || type == kHalf || type == kBFloat16,
                       "float32, float16 or bfloat16");
                break;
            case Rule::kLikeValue:
                expect_like(i, 0);
                break;
            case Rule::kFloat32:
                expect(i, type == kFloat, "float32");
                break;
            case Rule::kLocations: {
                bool const may_be_half = value == kHalf || value == kUnknown;
                expect(i, type == kFloat || (type == kHalf && may_be_half),
                       may_be_half ? "float32 or float16" : "float32");
                locations = i;
                break;
            }
            case Rule::kLikeLocations:
                expect_like(i, locations);
                break;
            case Rule::kInteger:
                expect(i, type == kInt32, "int32");
                break;
        }
    }
}

Call::Call(Api const& api, OrtKernelContext* context, std::vector<Input> const& inputs)
    : api_(api), context_(context), inputs_(inputs)
{
    std::vector<Type> types;
    for (size_t index = 0; index < inputs.size(); ++index) {
        tensors_.push_back(read_input(api, context, index));
        types.push_back(tensors_.back().type);
    }
    check_types(inputs, types);
}

void* Call::output(size_t index, TensorShape const& shape) const
{
    OrtValue* value = nullptr;
    void* data = nullptr;
    api_.check(api_->KernelContext_GetOutput(context_, index, shape.data(), shape.size(), &value));
    if (value) {
        api_.check(api_->GetTensorMutableData(value, &data));
    }
    return data;
}

ParallelFor Call::parallel_for() const
{
    auto const run = [](void* call, void (*task)(void*, size_t), size_t count, void* argument) {
        auto const* const self = static_cast<Call const*>(call);
        self->api_.check(self->api_->KernelContext_ParallelFor(self->context_, task, count, 0, argument));
    };
    return {run, const_cast<Call*>(this)};  // only read from
}

}  // namespace fmmp::ort
