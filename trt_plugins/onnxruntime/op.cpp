// SPDX-License-Identifier: Apache-2.0
#include "op.h"

#include "kernel.h"

namespace fmmp::ort {
namespace {

Op const& self(OrtCustomOp const* op)
{
    return *static_cast<Op const*>(op);
}

size_t num_outputs(OrtCustomOp const* op)
{
    return self(op).form == ValueForm::kShared ? 2 : 1;
}

ONNXTensorElementDataType input_type(size_t index)
{
    bool const integer = index == kSpatialShapes || index == kLevelStartIndex;
    return integer ? ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 : ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;  // any
}

/// The session is being made: refuse a type that has no loop now and not at the first call.
void check_node(Api const& api, OrtKernelInfo const* info)
{
    std::array<ONNXTensorElementDataType, kNumInputs> types{};
    for (size_t index = 0; index < kNumInputs; ++index) {
        OrtTypeInfo* type = nullptr;
        OrtTensorTypeAndShapeInfo const* tensor = nullptr;
        api.check(api->KernelInfo_GetInputTypeInfo(info, index, &type));
        Owned<OrtTypeInfo> const owner(type, api->ReleaseTypeInfo);
        api.check(api->CastTypeInfoToTensorInfo(type, &tensor));
        if (tensor) {
            api.check(api->GetTensorElementType(tensor, &types[index]));
        }
    }
    check_types(types);
}

struct InferredInput : TensorInfo {
    std::vector<char const*> symbols;  // "" where the size is a number
};

InferredInput read_input(Api const& api, OrtShapeInferContext const* context, size_t index)
{
    OrtTensorTypeAndShapeInfo* info = nullptr;
    api.check(api->ShapeInferContext_GetInputTypeShape(context, index, &info));
    InferredInput input{api.read(info), {}};
    input.symbols.resize(input.shape.size());
    api.check(api->GetSymbolicDimensions(info, input.symbols.data(), input.symbols.size()));
    return input;  // `info` and the symbols belong to the context
}

void set_output(Api const& api, OrtShapeInferContext* context, size_t index, InferredInput const& output)
{
    OrtTensorTypeAndShapeInfo* info = nullptr;
    api.check(api->CreateTensorTypeAndShapeInfo(&info));
    Owned<OrtTensorTypeAndShapeInfo> const owner(info, api->ReleaseTensorTypeAndShapeInfo);
    std::vector<char const*> symbols = output.symbols;
    api.check(api->SetTensorElementType(info, output.type));
    api.check(api->SetDimensions(info, output.shape.data(), output.shape.size()));
    api.check(api->SetSymbolicDimensions(info, symbols.data(), symbols.size()));
    api.check(api->ShapeInferContext_SetOutputTypeShape(context, index, info));
}

/// Shapes: output [B, Q, M, D], coverage [B, Q, M]; both of value's type. Full checks wait for the call:
/// sizes may be symbols here.
void infer(Op const& op, OrtShapeInferContext* context)
{
    InferredInput const value = read_input(op.api, context, kValue);
    InferredInput output = read_input(op.api, context, kSamplingLocations);
    if (value.shape.empty() || output.shape.size() != 6) {
        return;
    }
    output.type = value.type;
    output.shape.resize(3);
    output.symbols.resize(3);
    InferredInput const coverage = output;
    output.shape.push_back(value.shape.back());
    output.symbols.push_back(value.symbols.back());
    set_output(op.api, context, 0, output);
    if (op.form == ValueForm::kShared) {
        set_output(op.api, context, 1, coverage);
    }
}

}  // namespace

Op::Op(OrtApi const* ort_api, char const* op_name, ValueForm value_form)
    : OrtCustomOp{}, api(ort_api), name(op_name), form(value_form)
{
    version = kApiVersion;
    GetName = [](OrtCustomOp const* op) { return self(op).name; };
    GetExecutionProviderType = [](OrtCustomOp const*) -> char const* { return "CPUExecutionProvider"; };
    GetInputTypeCount = [](OrtCustomOp const*) -> size_t { return kNumInputs; };
    GetInputType = [](OrtCustomOp const*, size_t index) { return input_type(index); };
    GetOutputTypeCount = num_outputs;
    GetOutputType = [](OrtCustomOp const*, size_t) { return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED; };
    GetInputCharacteristic = [](OrtCustomOp const*, size_t) { return INPUT_OUTPUT_REQUIRED; };
    GetOutputCharacteristic = [](OrtCustomOp const*, size_t index) {
        return index == 0 ? INPUT_OUTPUT_REQUIRED : INPUT_OUTPUT_OPTIONAL;
    };
    GetInputMemoryType = [](OrtCustomOp const*, size_t) { return OrtMemTypeDefault; };
    GetVariadicInputMinArity = [](OrtCustomOp const*) { return 0; };
    GetVariadicInputHomogeneity = [](OrtCustomOp const*) { return 0; };
    GetVariadicOutputMinArity = [](OrtCustomOp const*) { return 0; };
    GetVariadicOutputHomogeneity = [](OrtCustomOp const*) { return 0; };
    GetStartVersion = [](OrtCustomOp const*) { return 1; };
    GetEndVersion = [](OrtCustomOp const*) { return 1; };

    // The kernel has no state of its own: the operator stands for it.
    CreateKernelV2 = [](OrtCustomOp const* op, OrtApi const*, OrtKernelInfo const* info, void** kernel) {
        *kernel = const_cast<OrtCustomOp*>(op);
        return self(op).api.guard([&] { check_node(self(op).api, info); });
    };
    KernelDestroy = [](void*) {};
    KernelComputeV2 = [](void* kernel, OrtKernelContext* context) {
        Op const& op = self(static_cast<OrtCustomOp const*>(kernel));
        return op.api.guard([&] { compute(op, context); });
    };
    InferOutputShapeFn = [](OrtCustomOp const* op, OrtShapeInferContext* context) {
        return self(op).api.guard([&] { infer(self(op), context); });
    };
}

}  // namespace fmmp::ort
