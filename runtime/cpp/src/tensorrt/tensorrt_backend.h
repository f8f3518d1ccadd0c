// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/backend.h"

namespace fmmp::runtime {

/// What lacks here to run an engine of `bundle` with TensorRT, or why none fits; empty where one will run.
std::string tensorrt_lacks(Bundle const& bundle, Options const& options);

/// On the first NVIDIA GPU, with the engines of the bundle that fit it.
std::unique_ptr<Backend> create_tensorrt(std::shared_ptr<Bundle const> const& bundle, Options const& options);

}  // namespace fmmp::runtime
