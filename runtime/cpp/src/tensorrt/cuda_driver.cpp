// SPDX-License-Identifier: Apache-2.0
#include "tensorrt/cuda_driver.h"

#include <algorithm>

#include "error.h"

namespace fmmp::runtime {
namespace {

// Names of cuda.h.
constexpr int kComputeCapabilityMajor = 75, kComputeCapabilityMinor = 76;
constexpr unsigned kNonBlocking = 1;    // the stream does not wait for the default one of the program
constexpr int kThreadLocalCapture = 1;  // other threads may allocate meanwhile
constexpr int kOutOfMemory = 2;

std::string megabytes(size_t size)
{
    return std::to_string((size + 999'999) / 1'000'000) + " MB";
}

}  // namespace

CudaFunctions::CudaFunctions(SharedLibrary const& driver)
{
    auto const find = [&](auto& function, char const* name) {
        function = driver.get<std::decay_t<decltype(function)>>(name);
    };
    find(init, "cuInit");
    find(device_get, "cuDeviceGet");
    find(attribute, "cuDeviceGetAttribute");
    find(retain_context, "cuDevicePrimaryCtxRetain");
    find(release_context, "cuDevicePrimaryCtxRelease_v2");
    find(push, "cuCtxPushCurrent_v2");
    find(pop, "cuCtxPopCurrent_v2");
    find(create_stream, "cuStreamCreate");
    find(destroy_stream, "cuStreamDestroy_v2");
    find(wait, "cuStreamSynchronize");
    find(allocate, "cuMemAlloc_v2");
    find(free, "cuMemFree_v2");
    find(allocate_pinned, "cuMemHostAlloc");
    find(free_pinned, "cuMemFreeHost");
    find(free_memory, "cuMemGetInfo_v2");
    find(upload, "cuMemcpyHtoDAsync_v2");
    find(download, "cuMemcpyDtoHAsync_v2");
    find(copy, "cuMemcpyDtoDAsync_v2");
    find(begin_capture, "cuStreamBeginCapture_v2");
    find(end_capture, "cuStreamEndCapture");
    find(instantiate, "cuGraphInstantiateWithFlags");
    find(destroy_graph, "cuGraphDestroy");
    find(destroy_made_graph, "cuGraphExecDestroy");
    find(launch, "cuGraphLaunch");
    find(error_name, "cuGetErrorName");
}

Cuda::Cuda() : driver_({"libcuda.so.1"}, "an NVIDIA driver", "install it"), call_(driver_)
{
    auto const refuse = [](std::string const& what, int status) {
        if (status != 0) {
            throw Error(Fault::kBackend, what + " " + std::to_string(status) + ")");
        }
    };
    refuse("the NVIDIA driver finds no GPU that it can use (cuInit returns", call_.init(0));
    refuse("there is no NVIDIA GPU 0 (cuDeviceGet returns", call_.device_get(&device_, 0));
    int numbers[2] = {};
    for (int i = 0; i < 2; ++i) {
        int const which = i == 0 ? kComputeCapabilityMajor : kComputeCapabilityMinor;
        refuse("the NVIDIA driver does not describe GPU 0 (status",
               call_.attribute(&numbers[i], which, device_));
    }
    architecture_ = "sm" + std::to_string(numbers[0]) + std::to_string(numbers[1]);
    check(call_.retain_context(&context_, device_), "opening the GPU");
    try {
        Current const current(*this);
        check(call_.create_stream(&stream_, kNonBlocking), "opening the GPU");
    } catch (Error const&) {
        call_.release_context(device_);
        throw;
    }
}

Cuda::~Cuda()
{
    if (call_.push(context_) == 0) {
        call_.destroy_stream(stream_);
        void* context = nullptr;
        call_.pop(&context);
    }
    call_.release_context(device_);
}

void Cuda::upload(uint64_t address, void const* host, size_t size) const
{
    check(call_.upload(address, host, size, stream_), "copying to the GPU");
}

void Cuda::download(void* host, uint64_t address, size_t size) const
{
    check(call_.download(host, address, size, stream_), "copying from the GPU");
}

void Cuda::copy(uint64_t target, uint64_t source, size_t size) const
{
    check(call_.copy(target, source, size, stream_), "copying on the GPU");
}

void Cuda::wait() const
{
    check(call_.wait(stream_), "the work on the GPU");
}

std::shared_ptr<void> Cuda::record(std::function<void()> const& work) const
{
    check(call_.begin_capture(stream_, kThreadLocalCapture), "recording");
    void *graph = nullptr, *made = nullptr;
    try {
        work();
    } catch (...) {
        call_.end_capture(stream_, &graph);
        call_.destroy_graph(graph);  // refuses the null of a capture that was broken
        throw;
    }
    check(call_.end_capture(stream_, &graph), "recording");
    int const status = call_.instantiate(&made, graph, 0);
    call_.destroy_graph(graph);
    check(status, "recording");
    return {made, call_.destroy_made_graph};
}

void Cuda::replay(std::shared_ptr<void> const& graph) const
{
    check(call_.launch(graph.get(), stream_), "the work on the GPU");
}

void Cuda::check(int status, std::string const& what) const
{
    if (status == 0) {
        return;
    }
    if (status == kOutOfMemory) {
        size_t free_bytes = 0, total = 0;
        call_.free_memory(&free_bytes, &total);
        throw Error(Fault::kBackend, "out of memory: " + what + " failed with " + megabytes(free_bytes) +
                                         " of " + megabytes(total) +
                                         " of the GPU free; end other programs on it, or use onnxruntime");
    }
    char const* name = nullptr;
    call_.error_name(status, &name);
    throw Error(Fault::kBackend,
                what + " failed: " + (name ? name : "unknown error") + " (" + std::to_string(status) + ")");
}

Cuda::Current::Current(Cuda const& cuda) : cuda_(cuda)
{
    cuda.check(cuda.call_.push(cuda.context_), "using the GPU");
}

Cuda::Current::~Current()
{
    void* context = nullptr;
    cuda_.call_.pop(&context);
}

DeviceMemory::DeviceMemory(std::shared_ptr<Cuda const> cuda, size_t size) : cuda_(std::move(cuda))
{
    size_t const bytes = std::max(size, size_t(1));
    cuda_->check(cuda_->functions().allocate(&address_, bytes), "allocating " + megabytes(size));
}

DeviceMemory::~DeviceMemory()
{
    try {
        Cuda::Current const current(*cuda_);
        cuda_->functions().free(address_);
    } catch (Error const&) {
        // The GPU is gone, and its memory with it.
    }
}

PinnedMemory::PinnedMemory(std::shared_ptr<Cuda const> cuda, size_t size)
    : cuda_(std::move(cuda)), size_(size)
{
    size_t const bytes = std::max(size, size_t(1));
    cuda_->check(cuda_->functions().allocate_pinned(&data_, bytes, 0),
                 "pinning " + megabytes(size) + " of the host");
}

PinnedMemory::~PinnedMemory()
{
    try {
        Cuda::Current const current(*cuda_);
        cuda_->functions().free_pinned(data_);
    } catch (Error const&) {
        // Likewise.
    }
}

}  // namespace fmmp::runtime
