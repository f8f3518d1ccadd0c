// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>

#include "kernels.cuh"
#include "ms_deform_attn.h"

namespace fmmp {
namespace {

constexpr int64_t kLargestGridX = 0x7fffffff;
constexpr int64_t kLargestGridYZ = 0xffff;

bool aligned(void const* address, size_t bytes)
{
    return reinterpret_cast<uintptr_t>(address) % bytes == 0;
}

bool sizes_make_sense(MsDeformAttnDims const& d)
{
    return d.batch >= 0 && d.num_cells >= 0 && d.num_cells <= INT32_MAX && d.head_dim >= 0 &&
           d.num_queries >= 0 && d.num_heads >= 0 && d.num_levels >= 0 && d.num_points >= 0 &&
           (d.num_value_heads == 1 || d.num_value_heads == d.num_heads);
}

/// Level sizes that travel by value were never checked against `value`.
bool levels_make_sense(CudaLevels const& levels, MsDeformAttnDims const& d)
{
    if (levels.count != d.num_levels || levels.count > CudaLevels::kMax) {
        return false;
    }
    for (int l = 0; l < levels.count; ++l) {
        int64_t const height = levels.height[l], width = levels.width[l], start = levels.start[l];
        if (height < 1 || width < 1 || start < 0 || start + height * width > d.num_cells) {
            return false;
        }
    }
    return true;
}

template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, int threads, cudaStream_t stream,
                   Arguments const&... arguments)
{
    cudaLaunchConfig_t config = {};
    config.gridDim = grid;
    config.blockDim = dim3(unsigned(threads));
    config.stream = stream;
    return cudaLaunchKernelEx(&config, kernel, arguments...);
}

/// The grouped kernel reads and writes whole words, and takes its row from the block's coordinates.
template <typename T, typename L>
bool fits_grouped(MsDeformAttnDims const& d, CudaTensors const& t)
{
    return d.head_dim == kGroupedHeadDim && d.num_points == kGroupedPoints &&
           (d.num_levels == 3 || d.num_levels == 4) && t.coverage == nullptr &&
           d.num_queries <= kLargestGridYZ && d.batch <= kLargestGridYZ &&
           d.num_heads <= INT32_MAX - kGroupedThreads &&
           d.num_cells <= UINT32_MAX / (d.cell_stride() / kChannelsPerLoad<T>) && aligned(t.value, 16) &&
           aligned(t.output, 4) && aligned(t.sampling_locations, 2 * sizeof(L));
}

template <typename T, typename L, typename Levels>
cudaError_t launch_grouped(MsDeformAttnDims const& d, CudaTensors const& t, Levels const& levels,
                           cudaStream_t stream)
{
    int64_t const rows_per_block = kGroupedThreads / kGroupLanes<T>;
    dim3 const grid(unsigned((d.num_heads + rows_per_block - 1) / rows_per_block), unsigned(d.num_queries),
                    unsigned(d.batch));
    auto* const kernel =
        d.num_levels == 3 ? &grouped_kernel<T, L, Levels, 3> : &grouped_kernel<T, L, Levels, 4>;
    return launch(kernel, grid, kGroupedThreads, stream, t, d, levels);
}

template <typename T, typename L, int kWidth>
cudaError_t launch_generic(MsDeformAttnDims const& d, CudaTensors const& t, LevelsInMemory const& levels,
                           cudaStream_t stream)
{
    int64_t const threads = d.num_rows() * (d.head_dim / kWidth);
    int64_t const blocks = (threads - 1) / kGenericThreads + 1;
    dim3 const grid(unsigned(std::min(blocks, kLargestGridX)));
    return launch(&generic_kernel<T, L, kWidth>, grid, kGenericThreads, stream, t, d, levels);
}

template <typename T, typename L>
cudaError_t dispatch(MsDeformAttnDims const& d, CudaTensors const& t, CudaLevels const& levels,
                     cudaStream_t stream)
{
    if (!aligned(t.value, sizeof(T)) || !aligned(t.output, sizeof(T)) ||
        !aligned(t.sampling_locations, sizeof(L)) || !aligned(t.attention_weights, sizeof(L)) ||
        !aligned(t.spatial_shapes, 4) || !aligned(t.level_start_index, 4) ||
        !aligned(t.coverage, sizeof(T))) {
        return cudaErrorMisalignedAddress;
    }
    LevelsInMemory const in_memory{t.spatial_shapes, t.level_start_index};
    if (fits_grouped<T, L>(d, t)) {
        return levels.count > 0 ? launch_grouped<T, L>(d, t, KnownLevels{levels}, stream)
                                : launch_grouped<T, L>(d, t, in_memory, stream);
    }
    bool const wide = d.head_dim % kChannelsPerLoad<T> == 0 && aligned(t.value, 16) && aligned(t.output, 16);
    return wide ? launch_generic<T, L, kChannelsPerLoad<T>>(d, t, in_memory, stream)
                : launch_generic<T, L, 1>(d, t, in_memory, stream);
}

}  // namespace

cudaError_t ms_deform_attn_cuda(MsDeformAttnDims const& dims, CudaTensors const& tensors,
                                CudaLevels const& levels, cudaStream_t stream)
{
    if (!sizes_make_sense(dims) || (levels.count != 0 && !levels_make_sense(levels, dims))) {
        return cudaErrorInvalidValue;
    }
    if (dims.num_rows() == 0 || dims.head_dim == 0) {
        return cudaSuccess;
    }
    bool const half_locations = tensors.location_storage == CudaStorage::kHalf;
    switch (tensors.value_storage) {
        case CudaStorage::kFloat:
            return half_locations ? cudaErrorInvalidValue
                                  : dispatch<float, float>(dims, tensors, levels, stream);
        case CudaStorage::kHalf:
            return half_locations ? dispatch<__half, __half>(dims, tensors, levels, stream)
                                  : dispatch<__half, float>(dims, tensors, levels, stream);
        case CudaStorage::kBFloat16:
            return half_locations ? cudaErrorInvalidValue
                                  : dispatch<__nv_bfloat16, float>(dims, tensors, levels, stream);
    }
    return cudaErrorInvalidValue;
}

}  // namespace fmmp
