// SPDX-License-Identifier: Apache-2.0
#include "tensorrt/gpu_session.h"

namespace fmmp::runtime {
namespace {

constexpr size_t kAlignment = 256;  // bytes; enough for every tensor that TensorRT takes

std::vector<TensorSpec> both(GraphSpec const& graph)
{
    std::vector<TensorSpec> tensors = graph.inputs;
    tensors.insert(tensors.end(), graph.outputs.begin(), graph.outputs.end());
    return tensors;
}

}  // namespace

Layout::Layout(std::vector<TensorSpec> const& tensors)
{
    for (TensorSpec const& tensor : tensors) {
        starts[tensor.name] = size;
        size += (tensor.bytes() + kAlignment - 1) / kAlignment * kAlignment;
    }
}

GpuSession::GpuSession(std::shared_ptr<Cuda const> cuda, std::unique_ptr<OpenEngine> engine,
                       GraphSpec const& graph)
    : cuda_(std::move(cuda)),
      engine_(std::move(engine)),
      graph_(graph),
      layout_(both(graph)),
      answer_layout_(graph.outputs),
      memory_(cuda_, layout_.size),
      answers_(cuda_, answer_layout_.size)
{
    std::vector<uint8_t> const zeros(layout_.size, 0);
    cuda_->upload(memory_.address(), zeros.data(), zeros.size());
    cuda_->wait();  // the zeros are no pinned memory
    for (TensorSpec const& tensor : both(graph)) {
        engine_->bind(tensor.name, address(tensor.name));
    }
}

Tensors GpuSession::run(Tensors const& inputs)
{
    for (TensorSpec const& input : graph_.inputs) {
        std::vector<uint8_t> const& tensor = inputs.at(input.name);
        cuda_->upload(address(input.name), tensor.data(), input.bytes());
    }
    enqueue();
    cuda_->wait();
    Tensors outputs;
    for (TensorSpec const& output : graph_.outputs) {
        uint8_t const* const first = answer(output.name);
        outputs[output.name].assign(first, first + output.bytes());
    }
    return outputs;
}

void GpuSession::enqueue()
{
    engine_->run(cuda_->stream());
    for (TensorSpec const& output : graph_.outputs) {
        cuda_->download(answers_.data() + answer_layout_.starts.at(output.name), address(output.name),
                        output.bytes());
    }
}

}  // namespace fmmp::runtime
