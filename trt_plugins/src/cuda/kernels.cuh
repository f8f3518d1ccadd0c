// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>

#include "fmmp/ms_deform_attn.h"
#include "ms_deform_attn.h"
#include "storage.cuh"

namespace fmmp {

/// One level as a kernel sees it. Where it does not fit the map, nothing may be read.
struct Level {
    int32_t height, width, start;
    bool fits;
};

/// Level sizes from the launch's arguments: checked by the launcher, no memory access.
struct KnownLevels {
    CudaLevels table;

    __device__ __forceinline__ Level operator()(int l, int64_t /*num_cells*/) const
    {
        return {table.height[l], table.width[l], table.start[l], true};
    }
};

/// Level sizes from device memory, checked by nobody yet.
struct LevelsInMemory {
    int32_t const* spatial_shapes;
    int32_t const* level_start_index;

    __device__ __forceinline__ Level operator()(int l, int64_t num_cells) const
    {
        int32_t const height = __ldg(spatial_shapes + 2 * l);
        int32_t const width = __ldg(spatial_shapes + 2 * l + 1);
        int32_t const start = __ldg(level_start_index + l);
        bool const fits =
            height > 0 && width > 0 && start >= 0 && start + int64_t(height) * width <= num_cells;
        return fits ? Level{height, width, start, true} : Level{1, 1, 0, false};
    }
};

inline constexpr int kGroupedThreads = 64;
// On one multiprocessor. Leaves 128 registers, so that all loads of a lane are in flight at once: with a
// larger number, or none, the compiler saves registers and waits in between.
inline constexpr int kGroupedBlocks = 8;
inline constexpr int kGroupedPoints = 4;
inline constexpr int kGroupedHeadDim = 32;

/// Lanes that make one row of the output together: 16 for half (4 points x 4 lanes of 8 channels), 32 for
/// float (4 points x 8 lanes of 4 channels).
template <typename T>
inline constexpr int kGroupLanes = kGroupedPoints * kGroupedHeadDim / kChannelsPerLoad<T>;

/// Sums `sum` over the four lanes of a group that hold the same channels for different points. Each step
/// hands the other half of the channels to the partner, so that no lane adds what another one adds: 6
/// exchanges for 8 channels, where a full butterfly takes 16. Lane `point` ends with kChannels / 4 channels,
/// from the returned one on.
template <int kChannels>
__device__ __forceinline__ int sum_over_points(float (&sum)[kChannels], int point, int lanes_between_points)
{
    constexpr unsigned kWholeWarp = 0xffffffffu;
    int first = 0;
    int kept = kChannels;
#pragma unroll
    for (int bit = 1; bit < kGroupedPoints; bit *= 2) {
        bool const upper = (point & bit) != 0;
        kept /= 2;
        first += upper ? kept : 0;
#pragma unroll
        for (int i = 0; i < kept; ++i) {
            float const handed_over = upper ? sum[i] : sum[i + kept];
            float const own = upper ? sum[i + kept] : sum[i];
            sum[i] = own + __shfl_xor_sync(kWholeWarp, handed_over, bit * lanes_between_points);
        }
    }
    return first;
}

/// The network's own shapes: 4 points, 32 channels per head, 3 or 4 levels. A lane reads its point on every
/// level: 4 * kNumLevels loads of 16 bytes are in flight before the first sum. Block (x, y, z) makes the rows
/// (b, q, m) = (z, y, x * rows per block + group), so no index is divided.
template <typename T, typename L, typename Levels, int kNumLevels>
__global__ void __launch_bounds__(kGroupedThreads, kGroupedBlocks)
    grouped_kernel(CudaTensors const tensors, MsDeformAttnDims const dims, Levels const levels)
{
    constexpr int kChannels = kChannelsPerLoad<T>;
    constexpr int kChannelLanes = kGroupedHeadDim / kChannels;
    constexpr int kLanes = kGroupLanes<T>;

    int const lane = int(threadIdx.x) % kLanes;
    int const point = lane / kChannelLanes;
    int const channel = lane % kChannelLanes * kChannels;
    int const head = int(blockIdx.x) * (kGroupedThreads / kLanes) + int(threadIdx.x) / kLanes;
    bool const has_row = head < dims.num_heads;
    int const m = has_row ? head : 0;  // a group without a row still takes part in its warp's exchanges

    int64_t const row = dims.row(blockIdx.z, blockIdx.y, m);
    int64_t const sample = row * (kNumLevels * kGroupedPoints) + point;
    L const* const locations = static_cast<L const*>(tensors.sampling_locations) + 2 * sample;
    L const* const weights = static_cast<L const*>(tensors.attention_weights) + sample;
    uint4 const* const map = reinterpret_cast<uint4 const*>(static_cast<T const*>(tensors.value) +
                                                            dims.value_offset(blockIdx.z, m)) +
                             channel / kChannels;
    uint32_t const stride = uint32_t(dims.cell_stride()) / kChannels;  // loads between two cells

    uint4 channels[kNumLevels][4];
    float share[kNumLevels][4];
    float poison = 0.f;
#pragma unroll
    for (int l = 0; l < kNumLevels; ++l) {
        Level const level = levels(l, dims.num_cells);
        float2 const location = load_location(locations + 2 * l * kGroupedPoints);
        float const weight = to_float(weights[l * kGroupedPoints]);
        Taps const taps = bilinear_taps(location.x, location.y, level.height, level.width);
        poison = level.fits ? poison : NAN;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            bool const counts = level.fits && taps.weight[k] != 0.f;
            share[l][k] = counts ? weight * taps.weight[k] : 0.f;
            channels[l][k] = make_uint4(0, 0, 0, 0);
            if (counts) {
                channels[l][k] = __ldg(map + uint32_t(level.start + taps.cell[k]) * stride);
            }
        }
    }

    float sum[kChannels];
#pragma unroll
    for (int i = 0; i < kChannels; ++i) {
        sum[i] = poison;
    }
#pragma unroll
    for (int l = 0; l < kNumLevels; ++l) {
#pragma unroll
        for (int k = 0; k < 4; ++k) {
            accumulate<T>(sum, channels[l][k], share[l][k]);
        }
    }
    int const first = sum_over_points(sum, point, kChannelLanes);
    if (has_row) {
        store_channels<T, kChannels / kGroupedPoints>(
            static_cast<T*>(tensors.output) + row * kGroupedHeadDim + channel + first, sum);
    }
}

inline constexpr int kGenericThreads = 128;
inline constexpr int kGenericBlocks = 5;  // on one multiprocessor: leaves 96 registers, enough not to spill

/// Every other shape, the shared value and coverage. A thread makes kWidth channels of one row: a 16-byte
/// load of them where sizes and addresses allow it, else one. Neighbouring threads make neighbouring
/// channels.
template <typename T, typename L, int kWidth>
__global__ void __launch_bounds__(kGenericThreads, kGenericBlocks)
    generic_kernel(CudaTensors const tensors, MsDeformAttnDims const dims, LevelsInMemory const levels)
{
    int64_t const chunks = dims.head_dim / kWidth;
    int64_t const count = dims.num_rows() * chunks;
    int64_t const step = int64_t(gridDim.x) * kGenericThreads;
    for (int64_t i = int64_t(blockIdx.x) * kGenericThreads + threadIdx.x; i < count; i += step) {
        int64_t const channel = i % chunks * kWidth;
        int64_t const row = i / chunks;
        int64_t const m = row % dims.num_heads;
        int64_t const b = row / (dims.num_heads * dims.num_queries);
        T const* const map = static_cast<T const*>(tensors.value) + dims.value_offset(b, m) + channel;
        int64_t const first_sample = row * dims.num_samples();
        L const* location = static_cast<L const*>(tensors.sampling_locations) + 2 * first_sample;
        L const* weight = static_cast<L const*>(tensors.attention_weights) + first_sample;

        float sum[kWidth] = {};
        float covered = 0.f;
        float poison = 0.f;
        for (int l = 0; l < int(dims.num_levels); ++l) {
            Level const level = levels(l, dims.num_cells);
            poison = level.fits ? poison : NAN;
#pragma unroll 2
            for (int p = 0; p < int(dims.num_points); ++p, location += 2, ++weight) {
                Taps const taps =
                    bilinear_taps(to_float(location[0]), to_float(location[1]), level.height, level.width);
                Loaded<T, kWidth> channels[4] = {};
                float share[4] = {};
#pragma unroll
                for (int k = 0; k < 4; ++k) {
                    if (level.fits && taps.weight[k] != 0.f) {
                        share[k] = to_float(*weight) * taps.weight[k];
                        int64_t const cell = int64_t(level.start) + taps.cell[k];
                        channels[k] =
                            *reinterpret_cast<Loaded<T, kWidth> const*>(map + cell * dims.cell_stride());
                    }
                }
#pragma unroll
                for (int k = 0; k < 4; ++k) {
                    accumulate<T>(sum, channels[k], share[k]);
                    covered += share[k];
                }
            }
        }
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
            sum[k] += poison;
        }
        store_channels<T, kWidth>(static_cast<T*>(tensors.output) + row * dims.head_dim + channel, sum);
        if (tensors.coverage != nullptr && channel == 0) {
            static_cast<T*>(tensors.coverage)[row] = Storage<T>::from_float(covered + poison);
        }
    }
}

}  // namespace fmmp
