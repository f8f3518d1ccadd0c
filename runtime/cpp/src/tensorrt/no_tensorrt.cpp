// SPDX-License-Identifier: Apache-2.0
/// In place of tensorrt_backend.cpp where TensorRT's headers were not there.
#include "tensorrt/tensorrt_backend.h"

namespace fmmp::runtime {

std::string tensorrt_lacks(Bundle const&, Options const&)
{
    return "this fmmp was built without TensorRT's headers (docs/cpp.md)";
}

std::unique_ptr<Backend> create_tensorrt(std::shared_ptr<Bundle const> const& bundle, Options const& options)
{
    throw Error(Fault::kBackend, "TensorRT cannot run here: " + tensorrt_lacks(*bundle, options));
}

}  // namespace fmmp::runtime
