// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>

#include "fmmp/storage.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/// A register of floats for the instruction set that this file is compiled for. Unnamed namespace: each
/// instruction set must keep its own copy.
namespace fmmp::cpu {
namespace {

#define FMMP_INLINE inline __attribute__((always_inline))

#if defined(__AVX512F__)

struct Lanes {
    static constexpr int kCount = 16;
    static constexpr int kRegisters = 16;  // that one block of channels may hold
    static constexpr int kTileRows = 12;   // of a tile of two registers of columns
    __m512 v;

    static FMMP_INLINE Lanes fill(float x) { return {_mm512_set1_ps(x)}; }
    static FMMP_INLINE Lanes load(float const* p) { return {_mm512_loadu_ps(p)}; }
    static FMMP_INLINE Lanes load(Half const* p)
    {
        return {_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p)))};
    }
    static FMMP_INLINE Lanes load(BFloat16 const* p)
    {
        __m256i const bits = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
        return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
    }
    FMMP_INLINE void store(float* p) const { _mm512_storeu_ps(p, v); }
    FMMP_INLINE void store(Half* p) const
    {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                            _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    FMMP_INLINE Lanes plus_product(Lanes a, Lanes b) const { return {_mm512_fmadd_ps(a.v, b.v, v)}; }
};

#elif defined(__AVX2__)

struct Lanes {
    static constexpr int kCount = 8;
    static constexpr int kRegisters = 8;
    static constexpr int kTileRows = 6;
    __m256 v;

    static FMMP_INLINE Lanes fill(float x) { return {_mm256_set1_ps(x)}; }
    static FMMP_INLINE Lanes load(float const* p) { return {_mm256_loadu_ps(p)}; }
    static FMMP_INLINE Lanes load(Half const* p)
    {
        return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)))};
    }
    static FMMP_INLINE Lanes load(BFloat16 const* p)
    {
        __m128i const bits = _mm_loadu_si128(reinterpret_cast<__m128i const*>(p));
        return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
    }
    FMMP_INLINE void store(float* p) const { _mm256_storeu_ps(p, v); }
    FMMP_INLINE void store(Half* p) const
    {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                         _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    FMMP_INLINE Lanes plus_product(Lanes a, Lanes b) const { return {_mm256_fmadd_ps(a.v, b.v, v)}; }
};

#else

struct Lanes {  // four floats: SSE2 or NEON, as the compiler has it
    static constexpr int kCount = 4;
    static constexpr int kRegisters = 8;
    static constexpr int kTileRows = 6;
    typedef float Register __attribute__((vector_size(16)));
    typedef int32_t Bits __attribute__((vector_size(16)));
    typedef uint16_t Stored __attribute__((vector_size(8)));
    Register v;

    template <typename To, typename From>
    static FMMP_INLINE To as(From from)
    {
        To to;
        std::memcpy(&to, &from, sizeof to);
        return to;
    }
    static FMMP_INLINE Bits load_bits(void const* p)
    {
        Stored stored;
        std::memcpy(&stored, p, sizeof stored);
        return __builtin_convertvector(stored, Bits);
    }

    static FMMP_INLINE Lanes fill(float x) { return {Register{x, x, x, x}}; }
    static FMMP_INLINE Lanes load(float const* p)
    {
        Lanes lanes;
        std::memcpy(&lanes.v, p, sizeof lanes.v);
        return lanes;
    }
    static FMMP_INLINE Lanes load(Half const* p)  // Storage<Half>::to_float, four at a time
    {
        Bits const half = load_bits(p), magnitude = half & 0x7fff;
        Bits const rebias = Bits{} + (112 << 23);
        Bits const normal = (magnitude << 13) + rebias + (magnitude >= 0x7c00 ? rebias : Bits{});
        Bits const subnormal = as<Bits>(__builtin_convertvector(magnitude, Register) * 0x1p-24f);
        return {as<Register>((half & 0x8000) << 16 | (magnitude < 0x400 ? subnormal : normal))};
    }
    static FMMP_INLINE Lanes load(BFloat16 const* p) { return {as<Register>(load_bits(p) << 16)}; }
    FMMP_INLINE void store(float* p) const { std::memcpy(p, &v, sizeof v); }
    FMMP_INLINE void store(Half* p) const
    {
        for (int i = 0; i < kCount; ++i) {
            p[i] = Storage<Half>::from_float(v[i]);
        }
    }
    FMMP_INLINE Lanes plus_product(Lanes a, Lanes b) const { return {v + a.v * b.v}; }
};

#endif

FMMP_INLINE void store(Lanes lanes, float* p)
{
    lanes.store(p);
}

FMMP_INLINE void store(Lanes lanes, Half* p)
{
    lanes.store(p);
}

FMMP_INLINE void store(Lanes lanes, BFloat16* p)  // Storage<BFloat16>::from_float, a register at a time
{
    typedef uint32_t Bits __attribute__((vector_size(4 * Lanes::kCount)));
    typedef uint16_t Stored __attribute__((vector_size(2 * Lanes::kCount)));
    Bits bits;
    std::memcpy(&bits, &lanes, sizeof bits);
    Bits const rounded = bits + 0x7fff + (bits >> 16 & 1);
    Bits const kept = (bits & 0x7fffffff) > 0x7f800000 ? bits | 0x400000 : rounded;  // NaN, kept quiet
    Stored const stored = __builtin_convertvector(kept >> 16, Stored);
    std::memcpy(p, &stored, sizeof stored);
}

}  // namespace
}  // namespace fmmp::cpu
