// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "fmmp/host_device.h"
#include "fmmp/storage.h"

/// Multi-scale deformable attention: Deformable DETR, arXiv:2010.04159, Eq. (3), without the projections.
///
///   value              [B, N, V, D]        V = M heads, or V = 1: one value that all heads read
///   spatial_shapes     [L, 2] int32        (H, W) of each level
///   level_start_index  [L] int32           first cell of each level; the cells of all levels are the N cells
///   sampling_locations [B, Q, M, L, P, 2]  (x, y), in [0, 1] inside of the map
///   attention_weights  [B, Q, M, L, P]
///   output             [B, Q, M, D]
///   coverage           [B, Q, M]           optional: the attention weight that fell on the maps
///
/// All tensors are contiguous. This header holds the whole formula; the loops around it hold none.
namespace fmmp {

/// Sizes of one call. `check.h` fills and checks them.
struct MsDeformAttnDims {
    int64_t batch;            // B
    int64_t num_cells;        // N, at most 2^31 - 1
    int64_t num_value_heads;  // V: num_heads, or 1 when all heads share one value
    int64_t head_dim;         // D
    int64_t num_queries;      // Q
    int64_t num_heads;        // M
    int64_t num_levels;       // L
    int64_t num_points;       // P

    FMMP_HOST_DEVICE int64_t num_samples() const { return num_levels * num_points; }  // of one query and head
    FMMP_HOST_DEVICE int64_t cell_stride() const
    {
        return num_value_heads * head_dim;
    }  // elements between two cells
    FMMP_HOST_DEVICE int64_t num_rows() const { return batch * num_queries * num_heads; }  // of the output

    /// First element of `value` for cell 0 of the whole map, seen by one head.
    FMMP_HOST_DEVICE int64_t value_offset(int64_t b, int64_t m) const
    {
        return b * num_cells * cell_stride() + (num_value_heads == 1 ? 0 : m * head_dim);
    }

    /// Row of output and coverage; times num_samples() it is the row's first sample.
    FMMP_HOST_DEVICE int64_t row(int64_t b, int64_t q, int64_t m) const
    {
        return (b * num_queries + q) * num_heads + m;
    }
};

/// The buffers of one call. T stores value, output and coverage, L stores locations and weights: (float,
/// float), (Half, float), (Half, Half) or (BFloat16, float). Each starts at a multiple of its element size;
/// the output overlaps no input.
template <typename T, typename L>
struct MsDeformAttnTensors {
    T const* value;
    int32_t const* spatial_shapes;
    int32_t const* level_start_index;
    L const* sampling_locations;
    L const* attention_weights;
    T* output;
    T* coverage;  // may be null: not wanted
};

/// The four cells around one sampling location and how much of each is read. A cell outside of the map has
/// weight 0 and an index that is inside of it, so that reading it is safe; but its value must not count, not
/// even as 0 * NaN. So read a cell only where its weight is not 0.
struct Taps {
    int32_t cell[4];  // row-major index within the level: top left, top right, bottom left, bottom right
    float weight[4];  // bilinear weight in [0, 1]
};

/// Bilinear taps of one location in a map of height x width cells (each at least 1). The centre of cell (0,
/// 0) lies at (0.5 / width, 0.5 / height). A location that is NaN, infinite or far away goes to -1, from
/// where nothing is read: the comparison is false for NaN and comes before the conversion to an integer,
/// which would be undefined there.
FMMP_HOST_DEVICE Taps bilinear_taps(float location_x, float location_y, int32_t height, int32_t width)
{
    float const cell_x = location_x * float(width) - 0.5f;
    float const cell_y = location_y * float(height) - 0.5f;
    float const x = (cell_x > -1.f) & (cell_x < float(width)) ? cell_x : -1.f;
    float const y = (cell_y > -1.f) & (cell_y < float(height)) ? cell_y : -1.f;
    // floor(x): the conversion rounds towards zero, so one less where that went up
    int32_t const left = int32_t(x) - int32_t(x < float(int32_t(x)));
    int32_t const top = int32_t(y) - int32_t(y < float(int32_t(y)));
    float const right_share = x - float(left);
    float const bottom_share = y - float(top);

    float const wx0 = left >= 0 ? 1.f - right_share : 0.f;
    float const wx1 = left < width - 1 ? right_share : 0.f;
    float const wy0 = top >= 0 ? 1.f - bottom_share : 0.f;
    float const wy1 = top < height - 1 ? bottom_share : 0.f;
    int32_t const x0 = left < 0 ? 0 : left;
    int32_t const x1 = left < width - 1 ? left + 1 : width - 1;
    int32_t const row0 = (top < 0 ? 0 : top) * width;
    int32_t const row1 = (top < height - 1 ? top + 1 : height - 1) * width;
    return Taps{{row0 + x0, row0 + x1, row1 + x0, row1 + x1}, {wy0 * wx0, wy0 * wx1, wy1 * wx0, wy1 * wx1}};
}

/// The one loop over the taps of a row (query q and head m of batch item b): visit(cell, weight) for each
/// that counts, where cell is of the whole map and weight the attention weight times the bilinear one. T is
/// the storage type of value, L that of locations and weights.
template <typename T, typename L, typename Visit>
FMMP_HOST_DEVICE void for_each_tap(MsDeformAttnTensors<T, L> const& tensors, MsDeformAttnDims const& d,
                                   int64_t row, Visit const& visit)
{
    int64_t sample = row * d.num_samples();
    for (int64_t l = 0; l < d.num_levels; ++l) {
        for (int64_t p = 0; p < d.num_points; ++p, ++sample) {
            Taps const taps = bilinear_taps(to_float(tensors.sampling_locations[2 * sample]),
                                            to_float(tensors.sampling_locations[2 * sample + 1]),
                                            tensors.spatial_shapes[2 * l], tensors.spatial_shapes[2 * l + 1]);
            float const weight = to_float(tensors.attention_weights[sample]);
            for (int k = 0; k < 4; ++k) {
                if (taps.weight[k] != 0.f) {
                    visit(int64_t(tensors.level_start_index[l]) + taps.cell[k], weight * taps.weight[k]);
                }
            }
        }
    }
}

/// One output element: channel c of head m for query q of batch item b; sums stay in float. The plain
/// statement of the operator: faster loops share `bilinear_taps` and must pass the same tests.
template <typename T, typename L>
FMMP_HOST_DEVICE float ms_deform_attn_at(MsDeformAttnTensors<T, L> const& tensors, MsDeformAttnDims const& d,
                                         int64_t b, int64_t q, int64_t m, int64_t c)
{
    T const* const map = tensors.value + d.value_offset(b, m) + c;
    float sum = 0.f;
    for_each_tap(tensors, d, d.row(b, q, m),
                 [&](int64_t cell, float weight) { sum += weight * to_float(map[cell * d.cell_stride()]); });
    return sum;
}

/// The attention weight that fell on the maps: what an addend of every cell (a bias) contributes to the
/// output.
template <typename T, typename L>
FMMP_HOST_DEVICE float coverage_at(MsDeformAttnTensors<T, L> const& tensors, MsDeformAttnDims const& d,
                                   int64_t b, int64_t q, int64_t m)
{
    float sum = 0.f;
    for_each_tap(tensors, d, d.row(b, q, m), [&](int64_t, float weight) { sum += weight; });
    return sum;
}

}  // namespace fmmp
