// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "fmmp/storage.h"
#include "harness.h"

using fmmp::BFloat16;
using fmmp::Half;
using fmmp::Storage;

namespace {

double value_of_half(uint32_t bits)  // IEEE 754, binary16, as the standard words it
{
    double const sign = bits >> 15 ? -1 : 1;
    int const exponent = int(bits >> 10 & 31), mantissa = int(bits & 1023);
    if (exponent == 31) {
        return mantissa ? NAN : sign * INFINITY;
    }
    return sign * (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

double value_of_bfloat16(uint32_t bits)
{
    float value;
    uint32_t const wide = bits << 16;
    std::memcpy(&value, &wide, sizeof value);
    return double(value);
}

bool same(double a, double b)
{
    return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

/// Every number of 16 bits goes to float and back; every midpoint between two neighbours goes to the even
/// one.
template <typename T>
void check_all(double (*value_of)(uint32_t))
{
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
        T stored;
        stored.bits = uint16_t(bits);
        float const wide = Storage<T>::to_float(stored);
        test::expect(same(double(wide), value_of(bits)), "to_float of " + std::to_string(bits));
        uint32_t const back = Storage<T>::from_float(wide).bits;
        test::expect(std::isnan(wide) ? std::isnan(value_of(back)) : back == bits,
                     "there and back of " + std::to_string(bits));
        double const here = value_of(bits), next = value_of(bits + 1);
        if ((bits & 0x7fff) == 0x7fff || !std::isfinite(here) || !std::isfinite(next)) {
            continue;
        }
        float const middle = float((here + next) / 2);  // exact: one bit more
        test::expect(Storage<T>::from_float(middle).bits == (bits % 2 ? bits + 1 : bits),
                     "midpoint above " + std::to_string(bits));
        float const above = std::nextafter(middle, float(next)), below = std::nextafter(middle, float(here));
        test::expect(Storage<T>::from_float(above).bits == bits + 1,
                     "above the midpoint of " + std::to_string(bits));
        test::expect(Storage<T>::from_float(below).bits == bits,
                     "below the midpoint of " + std::to_string(bits));
    }
}

}  // namespace

TEST(storage_half_is_binary16)
{
    check_all<Half>(value_of_half);
    test::expect(Storage<Half>::from_float(65519.f).bits == 0x7bff, "65519 rounds to the largest");
    test::expect(Storage<Half>::from_float(65520.f).bits == 0x7c00, "65520 rounds to infinity");
    test::expect(Storage<Half>::from_float(-1e30f).bits == 0xfc00, "-1e30 rounds to -infinity");
    test::expect(Storage<Half>::from_float(1e-30f).bits == 0, "1e-30 rounds to zero");
}

TEST(storage_bfloat16_is_the_upper_half_of_a_float)
{
    check_all<BFloat16>(value_of_bfloat16);
    test::expect(Storage<BFloat16>::from_float(3.4e38f).bits == 0x7f80, "3.4e38 rounds to infinity");
}
