// SPDX-License-Identifier: Apache-2.0
// ProjectedDeformableAttention.
#include "fmmp/check_projected.h"
#include "op.h"

namespace fmmp::ort {
namespace {

enum : size_t {
    kValue,
    kSpatialShapes,
    kLevelStartIndex,
    kReferencePoints,
    kSamplingOffsets,
    kAttentionLogits,
    kProjection,
    kProjectionBias,
};

template <typename T>
void compute(Call const& call)
{
    ProjectedAttnDims dims;
    require(
        read_projected_dims({{call.shape(kValue), call.shape(kSpatialShapes), call.shape(kLevelStartIndex),
                              call.shape(kSamplingOffsets), call.shape(kAttentionLogits)},
                             call.shape(kReferencePoints),
                             call.shape(kProjection),
                             call.shape(kProjectionBias)},
                            dims));
    MsDeformAttnDims const& d = dims.sampling;
    void* const output = call.output(0, {d.batch, d.num_queries, d.num_heads, dims.output_dim});
    ProjectedAttnTensors<T> const tensors{call.data<T>(kValue),
                                          call.data<int32_t>(kSpatialShapes),
                                          call.data<int32_t>(kLevelStartIndex),
                                          call.data<float>(kReferencePoints),
                                          call.data<float>(kSamplingOffsets),
                                          call.data<float>(kAttentionLogits),
                                          call.data<T>(kProjection),
                                          call.data<T>(kProjectionBias),
                                          static_cast<T*>(output)};
    require(check_levels(tensors.spatial_shapes, tensors.level_start_index, dims.sampling));
    projected_attn_cpu(tensors, dims, call.parallel_for());
}

template <typename T>
Definition define()
{
    return {"ProjectedDeformableAttention",
            {{"value", kTypeOf<T>},
             {"spatial_shapes", kInt32},
             {"level_start_index", kInt32},
             {"reference_points", kFloat},
             {"sampling_offsets", kFloat},
             {"attention_logits", kFloat},
             {"projection", kTypeOf<T>},
             {"projection_bias", kTypeOf<T>}},
            {{kSamplingOffsets, 0}, {kSamplingOffsets, 1}, {kSamplingOffsets, 2}, {kProjection, 2}},
            1,
            compute<T>};
}

}  // namespace

std::vector<Definition> projected_deformable_attention()
{
    return {define<float>(), define<Half>(), define<BFloat16>()};
}

}  // namespace fmmp::ort
