// SPDX-License-Identifier: Apache-2.0
#include "op.h"

namespace fmmp::ort {
namespace {

Op const& self(OrtCustomOp const* op)
{
    return *static_cast<Op const*>(op);
}

struct InferredInput : TensorInfo {
    std::vector<char const*> symbols;  // "" where the size is a number
};

InferredInput read_input(Api const& api, OrtShapeInferContext const* context, size_t index)
{
    OrtTensorTypeAndShapeInfo* info = nullptr;
    api.check(api->ShapeInferContext_GetInputTypeShape(context, index, &info));
    InferredInput input;
    static_cast<TensorInfo&>(input) = api.read(info);
    input.symbols.resize(input.shape.size());
    api.check(api->GetSymbolicDimensions(info, input.symbols.data(), input.symbols.size()));
    return input;  // `info` and the symbols belong to the context
}

/// Checks wait for the call: here a size may be a symbol, and an input of unknown rank looks like one of rank
/// 0. Only the first output is told of: ONNX Runtime 1.20 ends the process over one that a node leaves out.
/// An output that takes an axis from such an input keeps its type and an unknown shape.
void infer_output(Api const& api, OrtShapeInferContext* context, std::vector<Axis> const& axes)
{
    InferredInput output;
    output.type =
        read_input(api, context, 0).type;  // not this operator's: ONNX Runtime asks one for all types
    for (Axis const& from : axes) {
        InferredInput const input = read_input(api, context, from.input);
        size_t const rank = input.shape.size();
        size_t const axis = from.axis < 0 ? rank - size_t(-from.axis) : size_t(from.axis);
        if (axis >= rank) {
            return;
        }
        output.shape.push_back(input.shape[axis]);
        output.symbols.push_back(input.symbols[axis]);
    }
    OrtTensorTypeAndShapeInfo* info = nullptr;
    api.check(api->CreateTensorTypeAndShapeInfo(&info));
    Owned<OrtTensorTypeAndShapeInfo> const owner(info, api->ReleaseTensorTypeAndShapeInfo);
    api.check(api->SetTensorElementType(info, output.type));
    api.check(api->SetDimensions(info, output.shape.data(), output.shape.size()));
    api.check(api->SetSymbolicDimensions(info, output.symbols.data(), output.symbols.size()));
    api.check(api->ShapeInferContext_SetOutputTypeShape(context, 0, info));
}

}  // namespace

Op::Op(OrtApi const* ort_api, Definition what) : OrtCustomOp{}, api(ort_api), definition(std::move(what))
{
    version = kApiVersion;
    GetName = [](OrtCustomOp const* op) { return self(op).definition.name; };
    GetExecutionProviderType = [](OrtCustomOp const*) -> char const* { return "CPUExecutionProvider"; };
    GetInputTypeCount = [](OrtCustomOp const* op) { return self(op).definition.inputs.size(); };
    GetInputType = [](OrtCustomOp const* op, size_t index) { return self(op).definition.inputs[index].type; };
    GetOutputTypeCount = [](OrtCustomOp const* op) { return self(op).definition.num_outputs; };
    GetOutputType = [](OrtCustomOp const* op, size_t) { return self(op).definition.inputs[0].type; };
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
    CreateKernelV2 = [](OrtCustomOp const* op, OrtApi const*, OrtKernelInfo const*, void** kernel) {
        *kernel = const_cast<OrtCustomOp*>(op);
        return static_cast<OrtStatus*>(nullptr);
    };
    KernelDestroy = [](void*) {};
    KernelComputeV2 = [](void* kernel, OrtKernelContext* context) {
        Op const& op = self(static_cast<OrtCustomOp const*>(kernel));
        return op.api.guard([&] { op.definition.compute(Call(op.api, context, op.definition.inputs)); });
    };
    InferOutputShapeFn = [](OrtCustomOp const* op, OrtShapeInferContext* context) {
        return self(op).api.guard([&] { infer_output(self(op).api, context, self(op).definition.output); });
    };
}

}  // namespace fmmp::ort
