// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "fmmp/storage.h"

namespace fmmp {

/// CUDA's own types: one instruction converts, where the portable Half and BFloat16 need several.
template <>
struct Storage<__half> {
    static FMMP_HOST_DEVICE float to_float(__half value) { return __half2float(value); }
    static FMMP_HOST_DEVICE __half from_float(float value) { return __float2half_rn(value); }
};

template <>
struct Storage<__nv_bfloat16> {
    static FMMP_HOST_DEVICE float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }
    static FMMP_HOST_DEVICE __nv_bfloat16 from_float(float value) { return __float2bfloat16_rn(value); }
};

/// Channels that one 16-byte load brings.
template <typename T>
inline constexpr int kChannelsPerLoad = int(16 / sizeof(T));

/// Two neighbouring elements of a 16-bit type in one register.
__device__ __forceinline__ float2 pair_to_float(uint32_t bits, __half /*type*/)
{
    __half2 pair;
    std::memcpy(&pair, &bits, sizeof bits);
    return __half22float2(pair);
}

__device__ __forceinline__ float2 pair_to_float(uint32_t bits, __nv_bfloat16 /*type*/)
{
    return make_float2(__uint_as_float(bits << 16), __uint_as_float(bits & 0xffff0000u));
}

/// sum += share * the channels of one 16-byte load. Works on whole registers: taking 16-bit elements apart
/// first would cost an instruction each.
template <typename T>
__device__ __forceinline__ void accumulate(float (&sum)[kChannelsPerLoad<T>], uint4 const& channels,
                                           float share)
{
    uint32_t const bits[4] = {channels.x, channels.y, channels.z, channels.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        if constexpr (sizeof(T) == 4) {
            sum[i] += share * __uint_as_float(bits[i]);
        } else {
            float2 const pair = pair_to_float(bits[i], T());
            sum[2 * i] += share * pair.x;
            sum[2 * i + 1] += share * pair.y;
        }
    }
}

/// What one load brings: a single channel, or kChannelsPerLoad of them.
template <typename T, int kWidth>
using Loaded = std::conditional_t<kWidth == 1, T, uint4>;

template <typename T>
__device__ __forceinline__ void accumulate(float (&sum)[1], T const& channel, float share)
{
    sum[0] += share * to_float(channel);
}

/// (x, y) of one sampling location, in one load.
__device__ __forceinline__ float2 load_location(float const* xy)
{
    return __ldg(reinterpret_cast<float2 const*>(xy));
}

__device__ __forceinline__ float2 load_location(__half const* xy)
{
    return __half22float2(__ldg(reinterpret_cast<__half2 const*>(xy)));
}

/// Writes kWidth channels: 1, or a multiple of what fits four bytes.
template <typename T, int kWidth>
__device__ __forceinline__ void store_channels(T* first, float const* sum)
{
    if constexpr (kWidth == 1) {
        *first = Storage<T>::from_float(sum[0]);
    } else {
        T channel[kWidth];
#pragma unroll
        for (int i = 0; i < kWidth; ++i) {
            channel[i] = Storage<T>::from_float(sum[i]);
        }
        using Word = std::conditional_t<kWidth * sizeof(T) == 16, uint4, uint32_t>;
        static_assert(sizeof(Word) == sizeof(channel), "one store");
        Word bits;
        std::memcpy(&bits, channel, sizeof bits);
        *reinterpret_cast<Word*>(first) = bits;
    }
}

}  // namespace fmmp
