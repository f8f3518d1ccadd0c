// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "fmmp/ms_deform_attn.h"

/// Multi-scale deformable attention on a GPU. The formula is in fmmp/ms_deform_attn.h.
namespace fmmp {

enum class CudaStorage : int32_t { kFloat, kHalf, kBFloat16 };

/// Sizes of the levels, for a caller who knows them before the launch: they are then checked, travel in the
/// launch's own arguments, and spare the network's kernel its reads of the two device tensors. `count` is 0
/// when they are not known.
struct CudaLevels {
    static constexpr int32_t kMax = 8;
    int32_t count = 0;
    int32_t height[kMax] = {};
    int32_t width[kMax] = {};
    int32_t start[kMax] = {};  // first cell of the level
};

/// Device addresses of one call: shapes in fmmp/ms_deform_attn.h, contiguous, aligned to their elements.
struct CudaTensors {
    void const* value;  // `value_storage`
    int32_t const* spatial_shapes;
    int32_t const* level_start_index;
    void const* sampling_locations;  // `location_storage`
    void const* attention_weights;   // `location_storage`
    void* output;                    // `value_storage`
    void* coverage;                  // `value_storage`; null: not wanted
    CudaStorage value_storage;
    CudaStorage location_storage;  // kFloat, or kHalf with a kHalf value
};

/// Puts one kernel on `stream`, or none when the output has no elements. Never allocates, never waits: it can
/// be captured in a CUDA graph. Level sizes read from device memory that do not fit `num_cells` can't be
/// reported from here: the output is then NaN, and nothing outside of `value` is read.
///
/// @return what the launch returned; cudaErrorInvalidValue when the arguments contradict each other,
///     cudaErrorMisalignedAddress when an address is not a multiple of its element's size.
cudaError_t ms_deform_attn_cuda(MsDeformAttnDims const& dims, CudaTensors const& tensors,
                                CudaLevels const& levels, cudaStream_t stream);

}  // namespace fmmp
