// SPDX-License-Identifier: Apache-2.0
/// The crop for the Python runtime, which calls it through ctypes: no kernel is compiled on the device.
#include "cuda/crop.h"

#include <cstdint>

#if defined(_WIN32)
#define FMMP_EXPORT extern "C" __declspec(dllexport)
#else
#define FMMP_EXPORT extern "C" __attribute__((visibility("default")))
#endif

static_assert(sizeof(fmmp::CropSource) == 72, "fmmp_runtime/backends/crops.py has this layout");

/// Returns a cudaError_t; see fmmp::crop_cuda.
FMMP_EXPORT int fmmp_crop(fmmp::CropSource const* sources, int32_t count, uint8_t* crops, int32_t size,
                          void* stream)
{
    return int(fmmp::crop_cuda(sources, count, crops, size, static_cast<cudaStream_t>(stream)));
}
