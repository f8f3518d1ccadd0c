// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "files/shared_library.h"

namespace fmmp::runtime {

/// The functions of NVIDIA's driver that are used, from libcuda.so.1 when it is needed: no CUDA toolkit, and
/// no driver, has to be there to load this library.
struct CudaFunctions {
    explicit CudaFunctions(SharedLibrary const& driver);

    using Handle = void*;
    using Address = unsigned long long;

    int (*init)(unsigned);
    int (*device_get)(int*, int);
    int (*attribute)(int*, int, int);
    int (*retain_context)(Handle*, int);
    int (*release_context)(int);
    int (*push)(Handle);
    int (*pop)(Handle*);
    int (*create_stream)(Handle*, unsigned);
    int (*destroy_stream)(Handle);
    int (*wait)(Handle);
    int (*allocate)(Address*, size_t);
    int (*free)(Address);
    int (*allocate_pinned)(void**, size_t, unsigned);
    int (*free_pinned)(void*);
    int (*free_memory)(size_t*, size_t*);
    int (*upload)(Address, void const*, size_t, Handle);
    int (*download)(void*, Address, size_t, Handle);
    int (*copy)(Address, Address, size_t, Handle);
    int (*begin_capture)(Handle, int);
    int (*end_capture)(Handle, Handle*);
    int (*instantiate)(Handle*, Handle, unsigned long long);
    int (*destroy_graph)(Handle);
    int (*destroy_made_graph)(Handle);
    int (*launch)(Handle, Handle);
    int (*error_name)(int, char const**);
};

/// The first GPU, in the context that it shares with TensorRT and the CUDA runtime, and one stream: all work
/// is done in the order in which it is asked for. `upload`, `download`, `copy` and `replay` return at once.
/// Everything but the constructor is called by one thread at a time, while a `Current` lives.
class Cuda {
public:
    /// Throws Error where there is no driver or no GPU.
    Cuda();
    ~Cuda();
    Cuda(Cuda const&) = delete;
    Cuda& operator=(Cuda const&) = delete;

    /// Compute capability, such as "sm86".
    std::string const& architecture() const { return architecture_; }

    /// cudaStream_t.
    void* stream() const { return stream_; }

    void upload(uint64_t address, void const* host, size_t size) const;
    void download(void* host, uint64_t address, size_t size) const;
    void copy(uint64_t target, uint64_t source, size_t size) const;
    void wait() const;

    /// A CUDA graph of what `work` puts on the stream; nothing of it is done yet.
    std::shared_ptr<void> record(std::function<void()> const& work) const;
    void replay(std::shared_ptr<void> const& graph) const;

    /// Throw what a status says of `what`.
    void check(int status, std::string const& what) const;

    CudaFunctions const& functions() const { return call_; }

    /// Makes the GPU's context that of this thread.
    class Current {
    public:
        explicit Current(Cuda const& cuda);
        ~Current();
        Current(Current const&) = delete;
        Current& operator=(Current const&) = delete;

    private:
        Cuda const& cuda_;
    };

private:
    SharedLibrary driver_;
    CudaFunctions call_;
    std::string architecture_;
    int device_ = 0;
    void* context_ = nullptr;
    void* stream_ = nullptr;
};

/// Memory on the GPU, given back with the object, on whatever thread that is.
class DeviceMemory {
public:
    DeviceMemory(std::shared_ptr<Cuda const> cuda, size_t size);
    ~DeviceMemory();
    DeviceMemory(DeviceMemory const&) = delete;
    DeviceMemory& operator=(DeviceMemory const&) = delete;

    uint64_t address() const { return address_; }

private:
    std::shared_ptr<Cuda const> cuda_;
    CudaFunctions::Address address_ = 0;
};

/// Memory of the host that the GPU copies from and to by itself.
class PinnedMemory {
public:
    PinnedMemory(std::shared_ptr<Cuda const> cuda, size_t size);
    ~PinnedMemory();
    PinnedMemory(PinnedMemory const&) = delete;
    PinnedMemory& operator=(PinnedMemory const&) = delete;

    uint8_t* data() const { return static_cast<uint8_t*>(data_); }
    size_t size() const { return size_; }

private:
    std::shared_ptr<Cuda const> cuda_;
    void* data_ = nullptr;
    size_t size_;
};

}  // namespace fmmp::runtime
