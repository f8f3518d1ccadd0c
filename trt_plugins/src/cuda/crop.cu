// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>

#include "crop.h"

namespace fmmp {
namespace {

constexpr int kThreads = 256;
constexpr int32_t kLargestCount = 0xffff;  // of blocks in z
constexpr int32_t kLargestSize = 1 << 15;  // so that a crop's pixels can be counted in 31 bits

/// A thread makes one pixel; blocks along z are the crops.
__global__ void crop_kernel(CropSource const* sources, uint8_t* crops, int32_t size)
{
    int32_t const pixel = int32_t(blockIdx.x) * kThreads + int32_t(threadIdx.x);
    if (pixel < size * size) {
        uint8_t rgb[3];
        crop_pixel(sources[blockIdx.z], pixel % size, pixel / size, rgb);
        uint8_t* const target = crops + 3 * (int64_t(blockIdx.z) * size * size + pixel);
        target[0] = rgb[0];
        target[1] = rgb[1];
        target[2] = rgb[2];
    }
}

}  // namespace

cudaError_t crop_cuda(CropSource const* sources, int32_t count, uint8_t* crops, int32_t size,
                      cudaStream_t stream)
{
    if (count < 0 || count > kLargestCount || size < 0 || size > kLargestSize) {
        return cudaErrorInvalidValue;
    }
    if (count == 0 || size == 0) {
        return cudaSuccess;
    }
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(unsigned((size * size - 1) / kThreads + 1), 1, unsigned(count));
    config.blockDim = dim3(unsigned(kThreads));
    config.stream = stream;
    return cudaLaunchKernelEx(&config, &crop_kernel, sources, crops, size);
}

}  // namespace fmmp
