// SPDX-License-Identifier: Apache-2.0
// MultiScaleDeformableAttention and SharedValueDeformableAttention.
#include "op.h"

namespace fmmp::ort {
namespace {

enum : size_t { kValue, kSpatialShapes, kLevelStartIndex, kSamplingLocations, kAttentionWeights };

template <ValueForm kForm, typename T, typename L>
void compute(Call const& call)
{
    MsDeformAttnDims dims;
    require(read_dims(kForm,
                      {call.shape(kValue), call.shape(kSpatialShapes), call.shape(kLevelStartIndex),
                       call.shape(kSamplingLocations), call.shape(kAttentionWeights)},
                      dims));
    void* const output = call.output(0, {dims.batch, dims.num_queries, dims.num_heads, dims.head_dim});
    void* coverage = nullptr;
    if (kForm == ValueForm::kShared) {
        coverage = call.output(1, {dims.batch, dims.num_queries, dims.num_heads});
    }
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

template <ValueForm kForm, typename T, typename L>
Definition define()
{
    bool const shared = kForm == ValueForm::kShared;
    return {shared ? "SharedValueDeformableAttention" : "MultiScaleDeformableAttention",
            {{"value", kTypeOf<T>},
             {"spatial_shapes", kInt32},
             {"level_start_index", kInt32},
             {"sampling_locations", kTypeOf<L>},
             {"attention_weights", kTypeOf<L>}},
            {{kSamplingLocations, 0}, {kSamplingLocations, 1}, {kSamplingLocations, 2}, {kValue, -1}},
            shared ? size_t{2} : size_t{1},  // the coverage
            compute<kForm, T, L>};
}

template <ValueForm kForm>
std::vector<Definition> define_all()
{
    return {define<kForm, float, float>(), define<kForm, Half, float>(), define<kForm, Half, Half>(),
            define<kForm, BFloat16, float>()};
}

}  // namespace

std::vector<Definition> multi_scale_deformable_attention()
{
    return define_all<ValueForm::kPerHead>();
}

std::vector<Definition> shared_value_deformable_attention()
{
    return define_all<ValueForm::kShared>();
}

}  // namespace fmmp::ort
