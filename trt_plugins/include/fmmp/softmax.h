// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fmmp/host_device.h"
#include "fmmp/storage.h"

namespace fmmp {

/// e^x for x <= 0, as a softmax needs it after its maximum is taken off; within 2 units in the last place,
/// and 0 below -87, where e^x leaves the normal floats. Without a branch or a call, so that a loop over it
/// becomes vector code.
FMMP_HOST_DEVICE float exp_of_negative(float x)
{
    float const kept = x > -87.f ? x : -87.f;
    float const shifted = kept * 1.44269504f + 12582912.f;  // 1.5 * 2^23: the last bits are round(x / ln 2)
    float const powers = shifted - 12582912.f;
    float const r = kept - powers * 0.693359375f + powers * 2.12194440e-4f;  // ln 2 in two parts
    float p = 1.9875691500e-4f;                                              // Cephes, expf
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    float const fraction = p * r * r + r + 1.f;
    float const result = float_from_bits(bits_of_float(fraction) + (bits_of_float(shifted) << 23));
    float const nothing = x != x ? x : 0.f;
    return x > -87.f ? result : nothing;
}

}  // namespace fmmp
