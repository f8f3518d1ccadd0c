// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backends/backend.h"

namespace fmmp::runtime {

/// On the CPU. The support graph, the query graph and the weights are read once, checked, and loaded from
/// memory.
std::unique_ptr<Backend> create_onnxruntime(std::shared_ptr<Bundle const> const& bundle,
                                            Options const& options);

}  // namespace fmmp::runtime
