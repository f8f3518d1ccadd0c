// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include "cuda_runtime.h"

/// CUDA's half on the host: the processor's own conversions (F16C), so that they share nothing with ours.
struct __half {
    uint16_t bits;
};
struct alignas(4) __half2 {
    __half x, y;
};

inline float __half2float(__half value)
{
    return _cvtsh_ss(value.bits);
}
inline __half __float2half_rn(float value)
{
    return {_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT)};
}
inline float2 __half22float2(__half2 pair)
{
    return {__half2float(pair.x), __half2float(pair.y)};
}
