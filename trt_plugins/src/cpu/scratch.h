// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "kernel.h"

namespace fmmp::cpu {

/// Samples that are worked on together: 24 rows of the network (12 samples each), 30 kB of scratch memory.
constexpr int64_t kSamplesPerChunk = 288;

inline int64_t rows_per_chunk(MsDeformAttnDims const& d, int64_t rows)
{
    return std::clamp<int64_t>(kSamplesPerChunk / d.num_samples(), 1, rows);
}

/// The memory behind a Scratch, with its tables filled.
class ScratchMemory {
public:
    ScratchMemory(MsDeformAttnDims const& d, int32_t const* spatial_shapes, int32_t const* level_start_index,
                  int64_t rows_per_chunk)
        : size_(size_t(rows_per_chunk * d.num_samples())),
          offsets_(new int64_t[4 * size_ + size_t(rows_per_chunk)]),
          ints_(new int32_t[7 * size_]),
          floats_(new float[11 * size_])
    {
        int32_t* ints = ints_.get();
        float* floats = floats_.get();
        scratch_.rows_per_chunk = rows_per_chunk;
        for (int32_t** table : {&scratch_.width, &scratch_.height, &scratch_.start}) {
            *table = std::exchange(ints, ints + size_);
        }
        for (int k = 0; k < 4; ++k) {
            scratch_.cell[k] = std::exchange(ints, ints + size_);
            scratch_.tap_weight[k] = std::exchange(floats, floats + size_);
        }
        scratch_.weights = std::exchange(floats, floats + size_);
        scratch_.locations = std::exchange(floats, floats + 2 * size_);
        scratch_.list_offset = offsets_.get();
        scratch_.row_end = offsets_.get() + 4 * size_;
        scratch_.list_weight = floats;

        int32_t *width = scratch_.width, *height = scratch_.height, *start = scratch_.start;
        for (int64_t row = 0; row < rows_per_chunk; ++row) {
            for (int64_t l = 0; l < d.num_levels; ++l) {
                height = std::fill_n(height, d.num_points, spatial_shapes[2 * l]);
                width = std::fill_n(width, d.num_points, spatial_shapes[2 * l + 1]);
                start = std::fill_n(start, d.num_points, level_start_index[l]);
            }
        }
    }

    Scratch const& get() const { return scratch_; }

private:
    size_t size_;
    std::unique_ptr<int64_t[]> offsets_;
    std::unique_ptr<int32_t[]> ints_;
    std::unique_ptr<float[]> floats_;
    Scratch scratch_;
};

}  // namespace fmmp::cpu
