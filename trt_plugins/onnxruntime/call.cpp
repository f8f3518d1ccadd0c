// SPDX-License-Identifier: Apache-2.0
#include "call.h"

namespace fmmp::ort {
namespace {

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

Call::Call(Api const& api, OrtKernelContext* context, std::vector<Input> const& inputs)
    : api_(api), context_(context), inputs_(inputs)
{
    for (size_t index = 0; index < inputs.size(); ++index) {
        tensors_.push_back(read_input(api, context, index));
    }
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
