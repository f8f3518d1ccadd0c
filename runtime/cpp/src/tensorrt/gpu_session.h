// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>

#include "tensorrt/cuda_driver.h"
#include "tensorrt/tensorrt_engine.h"

namespace fmmp::runtime {

/// Where each tensor starts in one piece of memory, and how large that must be.
struct Layout {
    explicit Layout(std::vector<TensorSpec> const& tensors);

    std::map<std::string, size_t> starts;
    size_t size = 0;
};

/// An engine whose inputs and outputs lie in one piece of device memory.
class GpuSession {
public:
    GpuSession(std::shared_ptr<Cuda const> cuda, std::unique_ptr<OpenEngine> engine, GraphSpec const& graph);

    /// Run on named tensors; all outputs by name.
    Tensors run(Tensors const& inputs);

    uint64_t address(std::string const& name) const { return memory_.address() + layout_.starts.at(name); }

    /// Put one run on the stream, and the way of the outputs to the host.
    void enqueue();

    /// An output, once the stream was waited for.
    uint8_t const* answer(std::string const& name) const
    {
        return answers_.data() + answer_layout_.starts.at(name);
    }

private:
    std::shared_ptr<Cuda const> cuda_;
    std::unique_ptr<OpenEngine> engine_;
    GraphSpec const& graph_;
    Layout layout_, answer_layout_;
    DeviceMemory memory_;
    PinnedMemory answers_;
};

}  // namespace fmmp::runtime
