// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Marks a function that runs on the host and, under nvcc, on the device. It is always inlined: the CPU loop
/// is compiled once per instruction set, and an out-of-line copy of the AVX-512 one must never serve a
/// machine without AVX-512.
#if defined(__CUDACC__)
#define FMMP_HOST_DEVICE __host__ __device__ __forceinline__
#elif defined(_MSC_VER)
#define FMMP_HOST_DEVICE __forceinline
#else
#define FMMP_HOST_DEVICE inline __attribute__((always_inline))
#endif
