// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <NvInferRuntime.h>

#include "signature.h"

namespace fmmp::tensorrt {

/// What TensorRT's registry holds, and asks for a plugin when it parses a graph or loads an engine.
class Creator final : public nvinfer1::IPluginCreatorV3One {
public:
    explicit Creator(Operator const& op) : op_(op) {}

    nvinfer1::IPluginV3* createPlugin(char const* name, nvinfer1::PluginFieldCollection const* fields,
                                      nvinfer1::TensorRTPhase phase) noexcept override;
    nvinfer1::PluginFieldCollection const* getFieldNames() noexcept override;
    char const* getPluginName() const noexcept override { return op_.name; }
    char const* getPluginVersion() const noexcept override { return kPluginVersion; }
    char const* getPluginNamespace() const noexcept override { return kPluginNamespace; }

private:
    Operator const& op_;
};

}  // namespace fmmp::tensorrt
