// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "fmmp/crop.h"

/// Crops on a GPU. The formula is in fmmp/crop.h.
namespace fmmp {

/// Puts one kernel on `stream`, or none when there is nothing to make. Never allocates, never waits: it can
/// be captured in a CUDA graph, which then reads at each launch what `sources` holds by then.
///
/// @param sources `count` of them, in device memory, and so are their pixels.
/// @param crops (count, size, size, 3) in device memory.
/// @return what the launch returned; cudaErrorInvalidValue when there are more than 65535 crops or a size
///     below 0.
cudaError_t crop_cuda(CropSource const* sources, int32_t count, uint8_t* crops, int32_t size,
                      cudaStream_t stream);

}  // namespace fmmp
