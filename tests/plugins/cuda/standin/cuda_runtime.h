// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "warp.h"

/// As much of CUDA as our kernels and their driver use, on the host: a launch executes every block and every
/// thread, 32 lanes of a warp at a time. Device memory is host memory. What is missing here fails to compile.

#define __host__
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};
struct dim3 {
    uint32_t x, y, z;
    constexpr dim3(uint32_t x_ = 1, uint32_t y_ = 1, uint32_t z_ = 1) : x(x_), y(y_), z(z_) {}
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

inline float2 make_float2(float x, float y)
{
    return {x, y};
}
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w)
{
    return {x, y, z, w};
}
inline float __uint_as_float(uint32_t bits)
{
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
template <typename T>
T __ldg(T const* address)
{
    return *address;
}
inline float __shfl_xor_sync(unsigned mask, float value, int lane_mask)
{
    return standin::exchange(mask, value, lane_mask);
}

using cudaError_t = int;
enum : int {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorMisalignedAddress = 716,
};
using cudaStream_t = void*;

struct cudaLaunchConfig_t {
    dim3 gridDim, blockDim;
    size_t dynamicSmemBytes;
    cudaStream_t stream;
    void* attrs;
    unsigned numAttrs;
};

/// The limits are those of every GPU since 2012.
template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(cudaLaunchConfig_t const* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments)
{
    dim3 const grid = config->gridDim, block = config->blockDim;
    if (grid.x < 1 || grid.y < 1 || grid.z < 1 || grid.x > 0x7fffffff || grid.y > 0xffff || grid.z > 0xffff ||
        block.x < 1 || block.x > 1024 || block.y != 1 || block.z != 1 || block.x % 32 != 0) {
        return cudaErrorInvalidConfiguration;
    }
    gridDim = grid;
    blockDim = block;
    for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
        for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
            for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
                for (uint32_t warp = 0; warp < block.x; warp += 32) {
                    standin::run_warp([&](int lane) { threadIdx = dim3(warp + uint32_t(lane), 0, 0); },
                                      [&](int) { kernel(Parameters(arguments)...); });
                }
            }
        }
    }
    return cudaSuccess;
}

inline cudaError_t cudaMalloc(void** address, size_t bytes)
{
    *address = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    return *address == nullptr;
}
inline cudaError_t cudaFree(void* address)
{
    std::free(address);
    return cudaSuccess;
}
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
inline cudaError_t cudaMemcpy(void* to, void const* from, size_t bytes, cudaMemcpyKind /*kind*/)
{
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize()
{
    return cudaSuccess;
}
