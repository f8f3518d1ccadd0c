// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fmmp/ms_deform_attn_cpu.h"

/// Deformable attention together with what surrounds it in the network: the softmax of the weights, the
/// arithmetic of the locations, and the value projection, which is applied to the few vectors that were
/// sampled instead of to every cell. Sampling is linear, so the result is the same; a bias of the projection
/// counts as much as the weight that fell on the maps, since the zeros outside have none.
///
///   value              [B, N, C]           tokens, not projected
///   spatial_shapes     [L, 2] int32        (H, W) of each level
///   level_start_index  [L] int32
///   reference_points   [B, Q, R, 2]        (x, y) in [0, 1]; M is a multiple of R, M / R heads in turn share
///   a point sampling_offsets   [B, Q, M, L, P, 2]  in cells attention_logits   [B, Q, M, L, P]     softmax
///   over L and P makes the attention weights projection         [M, C, D]           of each head
///   projection_bias    [M, D]
///   output             [B, Q, M, D]
namespace fmmp {

struct ProjectedAttnDims {
    MsDeformAttnDims sampling;  // with one value head of C channels
    int64_t num_references;     // R
    int64_t output_dim;         // D
};

/// The buffers of one call. T is float, Half or BFloat16.
template <typename T>
struct ProjectedAttnTensors {
    T const* value;
    int32_t const* spatial_shapes;
    int32_t const* level_start_index;
    float const* reference_points;
    float const* sampling_offsets;
    float const* attention_logits;
    T const* projection;
    T const* projection_bias;
    T* output;
};

/// As `ms_deform_attn_cpu`; the scratch memory also holds the sampled vectors of a chunk and one head's
/// projection.
template <typename T>
void projected_attn_cpu(ProjectedAttnTensors<T> const& tensors, ProjectedAttnDims const& dims,
                        ParallelFor const& parallel_for = single_thread(), Isa isa = best_isa());

}  // namespace fmmp
