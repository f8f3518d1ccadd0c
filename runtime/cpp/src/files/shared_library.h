// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fmmp::runtime {

/// A library that is loaded when it is needed, so that fmmp itself needs none: a machine has ONNX Runtime,
/// or TensorRT and a driver. It stays loaded until the process ends, since what it started may outlive us.
class SharedLibrary {
public:
    /// The first of `names` that loads. Throws Error with `what` it is, the loader's words and how to `mend`.
    SharedLibrary(std::vector<std::string> const& names, std::string const& what, std::string const& mend);

    /// Null where it has none of that name.
    void* find(char const* symbol) const;

    template <typename Function>
    Function get(char const* symbol) const
    {
        return reinterpret_cast<Function>(must_find(symbol));
    }

    std::string const& name() const { return name_; }

private:
    void* must_find(char const* symbol) const;

    void* handle_ = nullptr;
    std::string name_;
};

/// Path of an operator library, such as "libfmmp_onnxruntime.so": in `folder` if one is given, else in that
/// of the variable FMMP_LIBRARY_DIR if it is set, else beside the library of this runtime.
std::optional<std::string> operator_library(char const* file, std::string const& folder);

/// `said` if it is not empty, else the environment variable, else nothing.
std::string said_or_variable(std::string const& said, char const* variable);

}  // namespace fmmp::runtime
