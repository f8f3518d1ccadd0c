// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

#include "fmmp/host_device.h"

namespace fmmp {

/// IEEE binary16, as stored. Arithmetic is always float: see Storage.
struct Half {
    uint16_t bits;
};

/// The upper half of an IEEE binary32, as stored.
struct BFloat16 {
    uint16_t bits;
};

FMMP_HOST_DEVICE float float_from_bits(uint32_t bits)
{
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

FMMP_HOST_DEVICE uint32_t bits_of_float(float value)
{
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

/// Conversions between a storage type and float. To use another type (CUDA's __half, say), specialise this
/// with the same two functions. `from_float` rounds to nearest, ties to even.
template <typename T>
struct Storage;

template <>
struct Storage<float> {
    static FMMP_HOST_DEVICE float to_float(float value) { return value; }
    static FMMP_HOST_DEVICE float from_float(float value) { return value; }
};

template <>
struct Storage<Half> {
    static FMMP_HOST_DEVICE float to_float(Half value)
    {
        uint32_t const sign = uint32_t(value.bits & 0x8000u) << 16;
        uint32_t const exponent = (value.bits >> 10) & 0x1fu;
        uint32_t const mantissa = value.bits & 0x3ffu;
        if (exponent ==
            0)  // zero or subnormal: mantissa * 2^-24, exact, and right when subnormal floats are flushed
        {
            uint32_t const magnitude = bits_of_float(float(mantissa) * 5.9604644775390625e-8f);
            return float_from_bits(sign | magnitude);
        }
        uint32_t const wide = exponent == 0x1fu ? 0xffu : exponent + 112u;
        return float_from_bits(sign | wide << 23 | mantissa << 13);
    }

    static FMMP_HOST_DEVICE Half from_float(float value)
    {
        uint32_t const bits = bits_of_float(value);
        uint32_t const sign = bits >> 16 & 0x8000u;
        uint32_t const magnitude = bits & 0x7fffffffu;
        uint32_t half;
        if (magnitude > 0x7f800000u) {
            half = 0x7e00u;  // NaN
        } else if (magnitude >= 0x477ff000u) {
            half = 0x7c00u;  // 65520 and above round to infinity
        } else if (magnitude <
                   0x38800000u)  // below 2^-14: the sum's last place is 2^-24, that of a subnormal half
        {
            half = bits_of_float(float_from_bits(magnitude) + 0.5f) - 0x3f000000u;
        } else {
            half = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
        }
        return Half{uint16_t(sign | half)};
    }
};

template <>
struct Storage<BFloat16> {
    static FMMP_HOST_DEVICE float to_float(BFloat16 value)
    {
        return float_from_bits(uint32_t(value.bits) << 16);
    }

    static FMMP_HOST_DEVICE BFloat16 from_float(float value)
    {
        uint32_t const bits = bits_of_float(value);
        if ((bits & 0x7fffffffu) > 0x7f800000u) {
            return BFloat16{uint16_t(bits >> 16 | 0x40u)};  // NaN, kept quiet
        }
        return BFloat16{uint16_t((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
    }
};

template <typename T>
FMMP_HOST_DEVICE float to_float(T value)
{
    return Storage<T>::to_float(value);
}

}  // namespace fmmp
