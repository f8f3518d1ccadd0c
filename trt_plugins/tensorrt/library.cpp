// SPDX-License-Identifier: Apache-2.0
/// The two functions that TensorRT looks up in a plugin library. Registering
/// through them, not through a static object, needs no symbol of libnvinfer: one file serves every TensorRT
/// that knows IPluginV3.
#include <NvInferRuntime.h>

#include "creator.h"
#include "logging.h"

#if defined(_WIN32)
#define FMMP_EXPORT extern "C" __declspec(dllexport)
#else
#define FMMP_EXPORT extern "C" __attribute__((visibility("default")))
#endif

FMMP_EXPORT nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count)
{
    using fmmp::tensorrt::kOperators;
    static fmmp::tensorrt::Creator per_head(kOperators[0]), shared(kOperators[1]);
    static nvinfer1::IPluginCreatorInterface* const creators[] = {&per_head, &shared};
    count = 2;
    return creators;
}

FMMP_EXPORT void setLoggerFinder(nvinfer1::ILoggerFinder* finder)
{
    fmmp::tensorrt::set_logger_finder(finder);
}
