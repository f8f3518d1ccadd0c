// SPDX-License-Identifier: Apache-2.0
#include "plugin.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "fmmp/check.h"
#include "logging.h"

namespace fmmp::tensorrt {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::PluginTensorDesc;

constexpr int32_t kSuccess = 0, kFailure = 1;

TensorShape shape(Dims const& dims)
{
    return TensorShape(dims.d, dims.d + std::max(dims.nbDims, 0));
}

bool same(PluginTensorDesc const& a, PluginTensorDesc const& b)
{
    return a.type == b.type && a.dims.nbDims == b.dims.nbDims &&
           std::equal(a.dims.d, a.dims.d + a.dims.nbDims, b.dims.d);
}

/// The table that goes with a launch; each level starts where the one before it ends.
CudaLevels level_table(std::vector<int32_t> const& sizes)
{
    CudaLevels levels;
    levels.count = int32_t(sizes.size() / 2);
    int64_t start = 0;
    for (size_t l = 0; l < sizes.size() / 2; ++l) {
        levels.height[l] = sizes[2 * l];
        levels.width[l] = sizes[2 * l + 1];
        levels.start[l] = int32_t(start);
        start = std::min<int64_t>(start + int64_t(sizes[2 * l]) * sizes[2 * l + 1], INT32_MAX);
    }
    return levels;
}

std::string check_level_sizes(std::vector<int32_t> const& sizes, MsDeformAttnDims const& dims)
{
    if (sizes.empty()) {
        return "";
    }
    if (int64_t(sizes.size()) != 2 * dims.num_levels) {
        return std::string(kLevelSizes) + " must hold " + std::to_string(2 * dims.num_levels) +
               " numbers, height and width of each level, got " + std::to_string(sizes.size());
    }
    std::string const problem = check_levels(sizes.data(), level_table(sizes).start, dims);
    return problem.empty() ? "" : std::string(kLevelSizes) + ": " + problem;
}

std::string describe(std::vector<int32_t> const& level_sizes)
{
    std::string text = kLevelSizes;
    for (int32_t size : level_sizes) {
        text += " " + std::to_string(size);
    }
    return text;
}

}  // namespace

Plugin::Plugin(Operator const& op, std::vector<int32_t> level_sizes)
    : op_(op), level_sizes_(std::move(level_sizes)), description_(describe(level_sizes_))
{
    field_ = {kLevelSizes, level_sizes_.data(), nvinfer1::PluginFieldType::kINT32,
              int32_t(level_sizes_.size())};
    fields_ = {level_sizes_.empty() ? 0 : 1, &field_};
}

/// Runs `body`, which returns what is wrong or nothing. No exception leaves a plugin method.
template <typename Body>
int32_t Plugin::guarded(char const* method, Body&& body) const noexcept
{
    try {
        std::string const problem = body();
        if (problem.empty()) {
            return kSuccess;
        }
        log_error(op_.name, std::string(method) + ": " + problem);
    } catch (std::exception const& error) {
        log_error(op_.name, error.what());
    } catch (...) {
        log_error(op_.name, "unknown exception");
    }
    return kFailure;
}

std::string Plugin::check_counts(int32_t num_inputs, int32_t num_outputs) const
{
    if (num_inputs == kNumInputs && num_outputs == op_.num_outputs) {
        return "";
    }
    return "needs 5 inputs (value, spatial_shapes, level_start_index, sampling_locations, attention_weights) "
           "and " +
           std::to_string(op_.num_outputs) + " output(s), got " + std::to_string(num_inputs) + " and " +
           std::to_string(num_outputs);
}

std::string Plugin::read_shapes(TensorShape const* shapes, MsDeformAttnDims& dims) const
{
    return read_dims(op_.form,
                     {shapes[kValue], shapes[kSpatialShapes], shapes[kLevelStartIndex],
                      shapes[kSamplingLocations], shapes[kAttentionWeights]},
                     dims);
}

nvinfer1::IPluginCapability* Plugin::getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept
{
    switch (type) {
        case nvinfer1::PluginCapabilityType::kCORE:
            return static_cast<IPluginV3OneCore*>(this);
        case nvinfer1::PluginCapabilityType::kBUILD:
            return static_cast<IPluginV3OneBuild*>(this);
        case nvinfer1::PluginCapabilityType::kRUNTIME:
            return static_cast<IPluginV3OneRuntime*>(this);
    }
    return nullptr;
}

nvinfer1::IPluginV3* Plugin::clone() noexcept
{
    Plugin* copy = nullptr;
    guarded("clone", [&] {
        copy = new Plugin(op_, level_sizes_);
        return std::string();
    });
    return copy;
}

int32_t Plugin::getOutputDataTypes(DataType* output_types, int32_t num_outputs, DataType const* input_types,
                                   int32_t num_inputs) const noexcept
{
    return guarded("types", [&] {
        std::string problem = check_counts(num_inputs, num_outputs);
        if (problem.empty()) {
            problem = check_types(input_types, kNumInputs);
        }
        if (problem.empty()) {
            std::fill_n(output_types, num_outputs, input_types[kValue]);
        }
        return problem;
    });
}

int32_t Plugin::getOutputShapes(nvinfer1::DimsExprs const* inputs, int32_t num_inputs,
                                nvinfer1::DimsExprs const* /*shape_inputs*/, int32_t num_shape_inputs,
                                nvinfer1::DimsExprs* outputs, int32_t num_outputs,
                                nvinfer1::IExprBuilder& /*builder*/) noexcept
{
    return guarded("shapes", [&] {
        std::string problem = check_counts(num_inputs, num_outputs);
        if (problem.empty() && num_shape_inputs != 0) {
            problem = "takes no shape inputs, got " + std::to_string(num_shape_inputs);
        }
        if (!problem.empty()) {
            return problem;
        }
        TensorShape shapes[kNumInputs];
        bool known = true;
        for (int32_t i = 0; i < kNumInputs; ++i) {
            for (int32_t k = 0; k < inputs[i].nbDims; ++k) {
                known = known && inputs[i].d[k]->isConstant();
                shapes[i].push_back(inputs[i].d[k]->isConstant() ? inputs[i].d[k]->getConstantValue() : 1);
            }
        }
        size_t const value_rank = op_.form == ValueForm::kShared ? 3 : 4;
        if (known || shapes[kValue].size() != value_rank || shapes[kSamplingLocations].size() != 6) {
            MsDeformAttnDims dims;
            problem = read_shapes(shapes, dims);  // names the tensor whose rank is wrong
            if (problem.empty()) {
                problem = check_level_sizes(level_sizes_, dims);
            }
        }
        if (problem.empty()) {
            for (int32_t i = 0; i < num_outputs; ++i) {  // [B, Q, M, D] and [B, Q, M]
                outputs[i].nbDims = i == 0 ? 4 : 3;
                outputs[i].d[0] = inputs[kValue].d[0];
                outputs[i].d[1] = inputs[kSamplingLocations].d[1];
                outputs[i].d[2] = inputs[kSamplingLocations].d[2];
            }
            outputs[0].d[3] = inputs[kValue].d[inputs[kValue].nbDims - 1];
        }
        return problem;
    });
}

bool Plugin::supportsFormatCombination(int32_t position, nvinfer1::DynamicPluginTensorDesc const* tensors,
                                       int32_t num_inputs, int32_t num_outputs) noexcept
{
    if (num_inputs != kNumInputs || num_outputs != op_.num_outputs || position < 0 ||
        position >= kNumInputs + num_outputs) {
        return false;
    }
    DataType types[kMaxTensors] = {};
    for (int32_t i = 0; i <= position; ++i) {  // later ones are not set yet
        types[i] = tensors[i].desc.type;
    }
    return tensors[position].desc.format == nvinfer1::TensorFormat::kLINEAR && type_fits(position, types);
}

int32_t Plugin::configurePlugin(nvinfer1::DynamicPluginTensorDesc const* in, int32_t num_inputs,
                                nvinfer1::DynamicPluginTensorDesc const* out, int32_t num_outputs) noexcept
{
    return guarded("configure", [&] {
        std::string const problem = check_counts(num_inputs, num_outputs);
        if (!problem.empty()) {
            return problem;
        }
        // The descriptions hold -1 for a dynamic size; the profile's bounds are known.
        for (Dims nvinfer1::DynamicPluginTensorDesc::* bound :
             {&nvinfer1::DynamicPluginTensorDesc::min, &nvinfer1::DynamicPluginTensorDesc::max}) {
            PluginTensorDesc bounded_in[kNumInputs], bounded_out[kMaxTensors - kNumInputs];
            for (int32_t i = 0; i < kNumInputs; ++i) {
                bounded_in[i] = in[i].desc;
                bounded_in[i].dims = in[i].*bound;
            }
            for (int32_t i = 0; i < num_outputs; ++i) {
                bounded_out[i] = out[i].desc;
                bounded_out[i].dims = out[i].*bound;
            }
            Call call;
            std::string const wrong = read_call(bounded_in, bounded_out, call);
            if (!wrong.empty()) {
                return wrong;
            }
        }
        return std::string();
    });
}

int32_t Plugin::onShapeChange(PluginTensorDesc const* in, int32_t num_inputs, PluginTensorDesc const* out,
                              int32_t num_outputs) noexcept
{
    return guarded("shape change", [&] {
        std::string const problem = check_counts(num_inputs, num_outputs);
        return problem.empty() ? prepare(in, out) : problem;
    });
}

std::string Plugin::read_call(PluginTensorDesc const* in, PluginTensorDesc const* out, Call& call) const
{
    DataType types[kMaxTensors];
    TensorShape shapes[kMaxTensors];
    int32_t const count = kNumInputs + op_.num_outputs;
    for (int32_t i = 0; i < count; ++i) {
        call.tensors[i] = i < kNumInputs ? in[i] : out[i - kNumInputs];
        types[i] = call.tensors[i].type;
        shapes[i] = shape(call.tensors[i].dims);
    }
    std::string problem = check_types(types, count);
    if (problem.empty()) {
        problem = read_shapes(shapes, call.dims);
    }
    if (problem.empty()) {
        problem = check_level_sizes(level_sizes_, call.dims);
    }
    if (!problem.empty()) {
        return problem;
    }
    TensorShape expected{call.dims.batch, call.dims.num_queries, call.dims.num_heads, call.dims.head_dim};
    for (int32_t i = kNumInputs; i < count; ++i, expected.pop_back()) {  // coverage has no channels
        if (shapes[i] != expected) {
            return std::string(kTensorNames[i]) + " must be " + to_text(expected) + ", got " +
                   to_text(shapes[i]);
        }
    }
    call.levels = level_table(level_sizes_);
    return "";
}

std::string Plugin::prepare(PluginTensorDesc const* in, PluginTensorDesc const* out)
{
    bool known = prepared_;
    for (int32_t i = 0; i < kNumInputs + op_.num_outputs && known; ++i) {
        known = same(call_.tensors[i], i < kNumInputs ? in[i] : out[i - kNumInputs]);
    }
    if (known) {
        return "";
    }
    std::string problem = read_call(in, out, call_);
    prepared_ = problem.empty();
    return problem;
}

int32_t Plugin::enqueue(PluginTensorDesc const* in, PluginTensorDesc const* out, void const* const* inputs,
                        void* const* outputs, void* /*workspace*/, cudaStream_t stream) noexcept
{
    return guarded("enqueue", [&] {
        std::string problem = prepare(in, out);
        if (!problem.empty()) {
            return problem;
        }
        CudaTensors const tensors{inputs[kValue],
                                  static_cast<int32_t const*>(inputs[kSpatialShapes]),
                                  static_cast<int32_t const*>(inputs[kLevelStartIndex]),
                                  inputs[kSamplingLocations],
                                  inputs[kAttentionWeights],
                                  outputs[0],
                                  op_.num_outputs == 2 ? outputs[1] : nullptr,
                                  storage(in[kValue].type),
                                  storage(in[kSamplingLocations].type)};
        cudaError_t const status = ms_deform_attn_cuda(call_.dims, tensors, call_.levels, stream);
        if (status != cudaSuccess) {
            problem = "the kernel was not launched: CUDA error " + std::to_string(int(status)) + ", " +
                      cudaGetErrorString(status);
        }
        return problem;
    });
}

nvinfer1::IPluginV3* Plugin::attachToContext(nvinfer1::IPluginResourceContext* /*context*/) noexcept
{
    return clone();
}

nvinfer1::PluginFieldCollection const* Plugin::getFieldsToSerialize() noexcept
{
    return &fields_;
}

}  // namespace fmmp::tensorrt
