// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <NvInferRuntime.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "bundle/engines.h"
#include "files/shared_library.h"

namespace fmmp::runtime {

/// Keeps what TensorRT complained of last.
class Complaints : public nvinfer1::ILogger {
public:
    void log(Severity severity, char const* message) noexcept override;

    void clear();
    std::string text() const;

private:
    mutable std::mutex mutex_;
    std::deque<std::string> messages_;
};

/// libnvinfer of the major version that this library was compiled for; it is loaded, but not started.
class TensorRtLibrary {
public:
    explicit TensorRtLibrary(std::string const& said);

    /// Such as "10.14.1.48".
    std::string const& version() const { return version_; }

    SharedLibrary const& library() const { return library_; }

private:
    SharedLibrary library_;
    std::string version_;
};

/// An engine that can run. One thread at a time may use it.
class OpenEngine {
public:
    OpenEngine(std::string file, std::unique_ptr<nvinfer1::ICudaEngine> engine,
               std::unique_ptr<nvinfer1::IExecutionContext> context, Complaints& complaints);

    /// Say where an input or output lies, for all runs.
    void bind(std::string const& name, uint64_t address);

    /// Put one run on a stream.
    void run(void* stream);

private:
    [[noreturn]] void refuse(std::string const& what) const;

    std::string file_;
    std::unique_ptr<nvinfer1::ICudaEngine> engine_;  // before what it made
    std::unique_ptr<nvinfer1::IExecutionContext> context_;
    Complaints& complaints_;
};

/// Opens engines. A GPU must be there: TensorRT does not say so where none is.
class TensorRtRuntime {
public:
    /// @param operator_path libfmmp_tensorrt.so.
    TensorRtRuntime(TensorRtLibrary const& library, std::string operator_path);

    /// Load an engine, see that it takes and gives what `graph` says, and make it ready. `file` is for
    /// messages.
    std::unique_ptr<OpenEngine> open(std::string const& file, PickedEngine const& picked,
                                     GraphSpec const& graph);

private:
    [[noreturn]] void refuse(std::string const& what, std::string const& mend) const;
    void load_operator(EngineSpec const& spec);

    std::string title_, operator_path_;
    bool operator_loaded_ = false;
    Complaints complaints_;
    std::unique_ptr<nvinfer1::IRuntime> runtime_;
};

}  // namespace fmmp::runtime
