// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend.h"

namespace fmmp::runtime {

/// On the CPU. Checks the hashes of the support graph, the query graph and the weights.
std::unique_ptr<Backend> create_onnxruntime(std::shared_ptr<Bundle const> const& bundle,
                                            Options const& options);

}  // namespace fmmp::runtime
