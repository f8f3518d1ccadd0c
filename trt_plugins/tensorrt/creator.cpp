// SPDX-License-Identifier: Apache-2.0
#include "creator.h"

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "logging.h"
#include "plugin.h"

namespace fmmp::tensorrt {
namespace {

using nvinfer1::PluginField;
using nvinfer1::PluginFieldType;

/// Reads the fields into `level_sizes`; returns what is wrong with them, or nothing.
std::string read_fields(nvinfer1::PluginFieldCollection const* fields, std::vector<int32_t>& level_sizes)
{
    for (int32_t i = 0; fields != nullptr && i < fields->nbFields; ++i) {
        PluginField const& field = fields->fields[i];
        std::string const name = field.name != nullptr ? field.name : "";
        if (name != kLevelSizes) {
            return "knows the field " + std::string(kLevelSizes) + " only, got " + name +
                   ": a newer version of the plugin may be needed";
        }
        int32_t const* const sizes = static_cast<int32_t const*>(field.data);
        if (field.type != PluginFieldType::kINT32 || field.length < 0 || field.length % 2 != 0 ||
            field.length > 2 * CudaLevels::kMax || (field.length > 0 && sizes == nullptr)) {
            return name + " must be up to " + std::to_string(2 * CudaLevels::kMax) +
                   " int32 numbers, height and width of each level, got " + std::to_string(field.length) +
                   " of field type " + std::to_string(int32_t(field.type));
        }
        level_sizes.assign(sizes, sizes + field.length);
    }
    for (int32_t size : level_sizes) {
        if (size < 1) {
            return std::string(kLevelSizes) + " must be at least 1 each, got " + std::to_string(size);
        }
    }
    return "";
}

}  // namespace

nvinfer1::IPluginV3* Creator::createPlugin(char const* /*name*/,
                                           nvinfer1::PluginFieldCollection const* fields,
                                           nvinfer1::TensorRTPhase /*phase*/) noexcept
{
    try {
        std::vector<int32_t> level_sizes;
        std::string const problem = read_fields(fields, level_sizes);
        if (problem.empty()) {
            return new Plugin(op_, std::move(level_sizes));
        }
        log_error(op_.name, problem);
    } catch (std::exception const& error) {
        log_error(op_.name, error.what());
    }
    return nullptr;
}

nvinfer1::PluginFieldCollection const* Creator::getFieldNames() noexcept
{
    static PluginField const field{kLevelSizes, nullptr, PluginFieldType::kINT32, 0};
    static nvinfer1::PluginFieldCollection const fields{1, &field};
    return &fields;
}

}  // namespace fmmp::tensorrt
