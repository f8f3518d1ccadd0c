// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <NvInferRuntime.h>

#include <string>
#include <vector>

#include "cuda/ms_deform_attn.h"
#include "signature.h"

namespace fmmp::tensorrt {

/// One of kOperators for TensorRT 10 and 11 and TensorRT-RTX. Unpacks, checks, launches and
/// translates errors; the formula is in fmmp/ms_deform_attn.h, the kernel in src/cuda/kernels.cuh.
///
/// A method that fails says why in the log and returns non-zero (or null, or false), as TensorRT asks.
class Plugin final : public nvinfer1::IPluginV3,
                     public nvinfer1::IPluginV3OneCore,
                     public nvinfer1::IPluginV3OneBuild,
                     public nvinfer1::IPluginV3OneRuntime {
public:
    /// @param level_sizes height and width of each level, or empty: see kLevelSizes.
    Plugin(Operator const& op, std::vector<int32_t> level_sizes);

    // IPluginV3
    nvinfer1::IPluginCapability* getCapabilityInterface(
        nvinfer1::PluginCapabilityType type) noexcept override;
    nvinfer1::IPluginV3* clone() noexcept override;

    // IPluginV3OneCore
    char const* getPluginName() const noexcept override { return op_.name; }
    char const* getPluginVersion() const noexcept override { return kPluginVersion; }
    char const* getPluginNamespace() const noexcept override { return kPluginNamespace; }

    // IPluginV3OneBuild
    int32_t getNbOutputs() const noexcept override { return op_.num_outputs; }
    int32_t getOutputDataTypes(nvinfer1::DataType* output_types, int32_t num_outputs,
                               nvinfer1::DataType const* input_types,
                               int32_t num_inputs) const noexcept override;
    int32_t getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t num_inputs,
                            nvinfer1::DimsExprs const* shape_inputs, int32_t num_shape_inputs,
                            nvinfer1::DimsExprs* outputs, int32_t num_outputs,
                            nvinfer1::IExprBuilder& builder) noexcept override;
    bool supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors,
                                   int32_t num_inputs, int32_t num_outputs) noexcept override;
    int32_t configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t num_inputs,
                            nvinfer1::DynamicPluginTensorDesc const* out,
                            int32_t num_outputs) noexcept override;
    char const* getTimingCacheID() noexcept override { return description_.c_str(); }
    char const* getMetadataString() noexcept override { return description_.c_str(); }

    // IPluginV3OneRuntime
    int32_t onShapeChange(nvinfer1::PluginTensorDesc const* in, int32_t num_inputs,
                          nvinfer1::PluginTensorDesc const* out, int32_t num_outputs) noexcept override;
    int32_t enqueue(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
                    void const* const* inputs, void* const* outputs, void* workspace,
                    cudaStream_t stream) noexcept override;
    nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext* context) noexcept override;
    nvinfer1::PluginFieldCollection const* getFieldsToSerialize() noexcept override;

private:
    /// Sizes and types of one call, checked.
    struct Call {
        MsDeformAttnDims dims;
        CudaLevels levels;
        nvinfer1::PluginTensorDesc tensors[kMaxTensors];  // what they were read from
    };

    template <typename Body>
    int32_t guarded(char const* method, Body&& body) const noexcept;
    std::string check_counts(int32_t num_inputs, int32_t num_outputs) const;
    std::string read_shapes(TensorShape const* shapes, MsDeformAttnDims& dims) const;
    std::string read_call(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out,
                          Call& call) const;
    std::string prepare(nvinfer1::PluginTensorDesc const* in, nvinfer1::PluginTensorDesc const* out);

    Operator const& op_;
    std::vector<int32_t> level_sizes_;
    std::string description_;
    nvinfer1::PluginField field_;
    nvinfer1::PluginFieldCollection fields_;
    Call call_{};
    bool prepared_ = false;
};

}  // namespace fmmp::tensorrt
