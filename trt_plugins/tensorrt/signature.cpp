// SPDX-License-Identifier: Apache-2.0
#include "signature.h"

namespace fmmp::tensorrt {

using nvinfer1::DataType;

char const* type_name(DataType type)
{
    switch (type) {
        case DataType::kFLOAT:
            return "float32";
        case DataType::kHALF:
            return "float16";
        case DataType::kBF16:
            return "bfloat16";
        case DataType::kINT32:
            return "int32";
        case DataType::kINT64:
            return "int64";
        default:
            return "another type";
    }
}

bool type_fits(int32_t position, DataType const* types)
{
    DataType const type = types[position];
    switch (position) {
        case kValue:
            return type == DataType::kFLOAT || type == DataType::kHALF || type == DataType::kBF16;
        case kSpatialShapes:
        case kLevelStartIndex:
            return type == DataType::kINT32;
        case kSamplingLocations:
            return type == DataType::kFLOAT || (type == DataType::kHALF && types[kValue] == DataType::kHALF);
        case kAttentionWeights:
            return type == types[kSamplingLocations];
        case kOutput:
        case kCoverage:
            return type == types[kValue];
        default:
            return false;
    }
}

std::string check_types(DataType const* types, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        if (type_fits(i, types)) {
            continue;
        }
        std::string expected = "int32";
        if (i == kValue) {
            expected = "float32, float16 or bfloat16";
        } else if (i == kSamplingLocations) {
            expected = std::string("float32") + (types[kValue] == DataType::kHALF ? " or float16" : "") +
                       " to go with a " + type_name(types[kValue]) + " value";
        } else if (i == kAttentionWeights) {
            expected = std::string(type_name(types[kSamplingLocations])) + ", as sampling_locations is";
        } else if (i == kOutput || i == kCoverage) {
            expected = std::string(type_name(types[kValue])) + ", as value is";
        }
        return std::string(kTensorNames[i]) + " must be " + expected + ", got " + type_name(types[i]);
    }
    return "";
}

CudaStorage storage(DataType type)
{
    if (type == DataType::kHALF) {
        return CudaStorage::kHalf;
    }
    return type == DataType::kBF16 ? CudaStorage::kBFloat16 : CudaStorage::kFloat;
}

}  // namespace fmmp::tensorrt
