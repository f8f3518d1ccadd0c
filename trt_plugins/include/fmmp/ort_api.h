// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <onnxruntime_c_api.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

/// The few calls of ONNX Runtime's C interface that the operators need, with its status turned into an
/// exception.
namespace fmmp::ort {

/// The oldest interface with everything in use here (1.17); any later ONNX Runtime offers it too.
constexpr uint32_t kApiVersion = 17;

/// What the user can mend: becomes ORT_INVALID_ARGUMENT.
struct InvalidArgument : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Throw what a `check.h` function complains about.
inline void require(std::string const& complaint)
{
    if (!complaint.empty()) {
        throw InvalidArgument(complaint);
    }
}

struct TensorInfo {
    ONNXTensorElementDataType type = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    std::vector<int64_t> shape;
};

class Api {
public:
    explicit Api(OrtApi const* api) : api_(api) {}

    OrtApi const* operator->() const { return api_; }

    /// Throw the error in `status`, if there is one, and release it.
    void check(OrtStatus* status) const
    {
        if (status) {
            std::string const message = api_->GetErrorMessage(status);
            api_->ReleaseStatus(status);
            throw std::runtime_error(message);
        }
    }

    TensorInfo read(OrtTensorTypeAndShapeInfo const* info) const
    {
        TensorInfo tensor;
        size_t rank = 0;
        check(api_->GetTensorElementType(info, &tensor.type));
        check(api_->GetDimensionsCount(info, &rank));
        tensor.shape.resize(rank);
        check(api_->GetDimensions(info, tensor.shape.data(), rank));
        return tensor;
    }

    /// Run `body`; turn what it throws into a status.
    template <typename Body>
    OrtStatus* guard(Body const& body) const noexcept
    {
        try {
            body();
            return nullptr;
        } catch (InvalidArgument const& error) {
            return api_->CreateStatus(ORT_INVALID_ARGUMENT, error.what());
        } catch (std::exception const& error) {
            return api_->CreateStatus(ORT_RUNTIME_EXCEPTION, error.what());
        }
    }

private:
    OrtApi const* api_;
};

/// Owns what one of the API's Release functions frees.
template <typename T>
using Owned = std::unique_ptr<T, void(ORT_API_CALL*)(T*)>;

}  // namespace fmmp::ort
