// SPDX-License-Identifier: Apache-2.0
// MultiScaleDeformableAttention and SharedValueDeformableAttention.
#include "op.h"

namespace fmmp::ort {
namespace {

enum : size_t { kValue, kSpatialShapes, kLevelStartIndex, kSamplingLocations, kAttentionWeights };

std::vector<Input> inputs()
{
    return {{"value", Rule::kValue},
            {"spatial_shapes", Rule::kInteger},
            {"level_start_index", Rule::kInteger},
            {"sampling_locations", Rule::kLocations},
            {"attention_weights", Rule::kLikeLocations}};
}

template <typename T, typename L>
void run(Call const& call, MsDeformAttnDims const& dims, void* output, void* coverage)
{
    MsDeformAttnTensors<T, L> const tensors{call.data<T>(kValue),
                                            call.data<int32_t>(kSpatialShapes),
                                            call.data<int32_t>(kLevelStartIndex),
                                            call.data<L>(kSamplingLocations),
                                            call.data<L>(kAttentionWeights),
                                            static_cast<T*>(output),
                                            static_cast<T*>(coverage)};
    require(check_levels(tensors.spatial_shapes, tensors.level_start_index, dims));
    ms_deform_attn_cpu(tensors, dims, call.parallel_for());
}

template <ValueForm kForm>
void compute(Call const& call)
{
    MsDeformAttnDims dims;
    require(read_dims(kForm, call.shape(kValue), call.shape(kSpatialShapes), call.shape(kLevelStartIndex),
                      call.shape(kSamplingLocations), call.shape(kAttentionWeights), dims));
    void* const output = call.output(0, {dims.batch, dims.num_queries, dims.num_heads, dims.head_dim});
    void* coverage = nullptr;
    if (kForm == ValueForm::kShared) {
        coverage = call.output(1, {dims.batch, dims.num_queries, dims.num_heads});
    }
    if (call.type(kValue) == kFloat) {
        run<float, float>(call, dims, output, coverage);
    } else if (call.type(kValue) == kBFloat16) {
        run<BFloat16, float>(call, dims, output, coverage);
    } else if (call.type(kSamplingLocations) == kFloat) {
        run<Half, float>(call, dims, output, coverage);
    } else {
        run<Half, Half>(call, dims, output, coverage);
    }
}

std::vector<Axis> const kOutput{
    {kSamplingLocations, 0}, {kSamplingLocations, 1}, {kSamplingLocations, 2}, {kValue, -1}};
std::vector<Axis> const kCoverage{{kSamplingLocations, 0}, {kSamplingLocations, 1}, {kSamplingLocations, 2}};

}  // namespace

Definition multi_scale_deformable_attention()
{
    return {"MultiScaleDeformableAttention", inputs(), {kOutput}, compute<ValueForm::kPerHead>};
}

Definition shared_value_deformable_attention()
{
    return {"SharedValueDeformableAttention", inputs(), {kOutput, kCoverage}, compute<ValueForm::kShared>};
}

}  // namespace fmmp::ort
