// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bundle/support_state.h"
#include "pose/image.h"

namespace fmmp::runtime {

/// What a user chooses; empty and 0 stand for "find it yourself".
struct Options {
    std::string backend;  // "auto", "onnxruntime", "tensorrt"
    int threads = 0;      // of a run on the CPU
    std::string onnxruntime_library, tensorrt_library, operator_folder;
};

/// What the query graph says of one frame: points of the last layer in [0, 1] of the crop, and scores.
struct Answer {
    std::vector<float> points;  // (K, 2)
    std::vector<float> score;   // (K,)
};

/// Runs the graphs of one bundle. Any number of threads may use it at once.
class Backend {
public:
    virtual ~Backend() = default;

    /// What was chosen, for people: versions, and which operator kernel.
    virtual std::string description() const = 0;

    /// Run the support graph.
    virtual Tensors remember(Tensors const& inputs) = 0;

    /// Crop a frame and run the query graph; `inverse`: crop pixels -> frame pixels.
    virtual Answer locate(Image const& frame, Affine const& inverse,
                          std::shared_ptr<SupportState const> const& state) = 0;
};

/// The backend that the options name; "auto" takes TensorRT where the bundle has a query engine for this GPU
/// and all it needs is here, and ONNX Runtime otherwise. Once taken, what fails there is an error.
std::unique_ptr<Backend> create_backend(std::shared_ptr<Bundle const> const& bundle, Options const& options);

}  // namespace fmmp::runtime
