// SPDX-License-Identifier: Apache-2.0
#include "backends/backend.h"

#include <algorithm>

#include "backends/onnxruntime_backend.h"
#include "tensorrt/tensorrt_backend.h"

namespace fmmp::runtime {
namespace {

/// A backend that says more about why it was chosen.
class Explained : public Backend {
public:
    Explained(std::unique_ptr<Backend> backend, std::string why)
        : backend_(std::move(backend)), why_(std::move(why))
    {
    }

    std::string description() const override { return backend_->description() + why_; }

    Tensors remember(Tensors const& inputs) override { return backend_->remember(inputs); }

    Answer locate(Image const& frame, Affine const& inverse,
                  std::shared_ptr<SupportState const> const& state) override
    {
        return backend_->locate(frame, inverse, state);
    }

private:
    std::unique_ptr<Backend> backend_;
    std::string why_;
};

}  // namespace

std::unique_ptr<Backend> create_backend(std::shared_ptr<Bundle const> const& bundle, Options const& options)
{
    if (options.backend == "onnxruntime") {
        return create_onnxruntime(bundle, options);
    }
    if (options.backend == "tensorrt") {
        return create_tensorrt(bundle, options);
    }
    if (!options.backend.empty() && options.backend != "auto") {
        throw Error(Fault::kArgument,
                    "backend must be one of auto, onnxruntime, tensorrt, got '" + options.backend + "'");
    }
    std::vector<EngineSpec> const& engines = bundle->model.engines;
    bool const has_engine = std::any_of(engines.begin(), engines.end(), [](EngineSpec const& engine) {
        return engine.backend == "tensorrt" && engine.graph == "query";
    });
    if (!has_engine) {
        return create_onnxruntime(bundle, options);
    }
    std::string const lacks = tensorrt_lacks(*bundle, options);
    if (lacks.empty()) {
        return create_tensorrt(bundle, options);
    }
    return std::make_unique<Explained>(create_onnxruntime(bundle, options),
                                       "; the bundle's engines are not used: " + lacks);
}

}  // namespace fmmp::runtime
