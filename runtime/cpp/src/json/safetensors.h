// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tensor.h"

/// Files in the safetensors format: the length of a JSON header in 8 bytes, the header, the tensors' bytes.
namespace fmmp::runtime {

struct Safetensors {
    std::map<std::string, std::string> texts;  // __metadata__
    std::map<std::string, TensorSpec> specs;
    Tensors tensors;
};

/// Throws std::runtime_error for bytes that are no such file: every length, offset and shape is checked, and
/// the tensors fill the file without a gap.
Safetensors parse_safetensors(std::string const& bytes);

/// The bytes of a file with the tensors of `specs`, in that order.
std::string write_safetensors(std::vector<TensorSpec> const& specs, Tensors const& tensors,
                              std::map<std::string, std::string> const& texts);

}  // namespace fmmp::runtime
