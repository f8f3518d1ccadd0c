// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "error.h"

namespace fmmp::runtime {

/// A type of tensor elements, by the names that numpy and safetensors give it.
struct Dtype {
    char const* name;
    char const* safetensors;
    size_t size;  // bytes
};

inline constexpr Dtype kDtypes[] = {{"uint8", "U8", 1},  {"bool", "BOOL", 1}, {"float16", "F16", 2},
                                    {"int32", "I32", 4}, {"int64", "I64", 8}, {"float32", "F32", 4}};

/// An input or output of a graph.
struct TensorSpec {
    std::string name;
    Dtype const* dtype;
    std::vector<int64_t> shape;  // static

    int64_t count() const
    {
        int64_t product = 1;
        for (int64_t const size : shape) {
            product *= size;
        }
        return product;
    }

    size_t bytes() const { return size_t(count()) * dtype->size; }

    bool operator==(TensorSpec const& other) const
    {
        return name == other.name && dtype == other.dtype && shape == other.shape;
    }

    /// "float32 [1, 70, 2]", for people.
    std::string text() const
    {
        std::string sizes;
        for (int64_t const size : shape) {
            sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
        }
        return std::string(dtype->name) + " [" + sizes + "]";
    }
};

/// Bytes of a contiguous tensor, by name; what their type and shape are stands in the bundle.
/// std::vector's memory is aligned for every type in `kDtypes`.
using Tensors = std::map<std::string, std::vector<uint8_t>>;

template <typename T>
T* elements(std::vector<uint8_t>& tensor)
{
    return reinterpret_cast<T*>(tensor.data());
}

template <typename T>
T const* elements(std::vector<uint8_t> const& tensor)
{
    return reinterpret_cast<T const*>(tensor.data());
}

}  // namespace fmmp::runtime
