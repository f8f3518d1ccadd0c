// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

#include "cuda_runtime.h"

/// CUDA's bfloat16 on the host.
struct __nv_bfloat16 {
    uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 value)
{
    return __uint_as_float(uint32_t(value.bits) << 16);
}
inline __nv_bfloat16 __float2bfloat16_rn(float value)
{
    if (std::isnan(value)) {
        return {0x7fff};
    }
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    uint32_t const below = bits & 0xffffu, odd = bits >> 16 & 1u;
    return {uint16_t((bits >> 16) + (below > 0x8000u || (below == 0x8000u && odd != 0) ? 1 : 0))};
}
