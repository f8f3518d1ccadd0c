// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <NvInferRuntime.h>

#include <string>

namespace fmmp::tensorrt {

/// Where log_error finds TensorRT's logger from now on; null: on stderr.
void set_logger_finder(nvinfer1::ILoggerFinder* finder) noexcept;

/// Logs `message` with the operator's name in front, to TensorRT's logger, or to stderr while there is none.
void log_error(char const* operator_name, std::string const& message) noexcept;

}  // namespace fmmp::tensorrt
