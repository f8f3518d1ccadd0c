// SPDX-License-Identifier: Apache-2.0
/// As much of NVIDIA's driver as PyCUDA and both runtimes use, on host memory. Nothing is done before the
/// stream is waited for; a call without a current context fails, as does an allocation of more than 1 GB or
/// one while a graph is recorded.
#include "driver.h"

#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

enum {
    kOk = 0,
    kInvalidValue = 1,
    kOutOfMemory = 2,
    kNoDevice = 100,
    kInvalidDevice = 101,
    kInvalidContext = 201,
    kCaptureInvalidated = 901
};

using Work = std::vector<std::function<void()>>;

Work queue;
Work* recorded = nullptr;  // while a stream is captured
bool broken = false;       // by an allocation during the capture
thread_local int depth = 0;
int live_memory = 0, live_streams = 0, live_graphs = 0, live_executables = 0;
char context_object;
void* const kStream = reinterpret_cast<void*>(0x5000);

int check(void* stream)
{
    return depth == 0 ? kInvalidContext : stream == kStream ? kOk : kInvalidValue;
}

int copy(void* target, void const* source, size_t size, void* stream)
{
    return fake::add(stream, [=] { std::memmove(target, source, size); });
}

int allocate(void** address, size_t size)
{
    broken = broken || recorded;
    if (depth == 0) {
        return kInvalidContext;
    }
    if (size > (size_t(1) << 30)) {
        return kOutOfMemory;
    }
    ++live_memory;
    *address = std::calloc(1, size);
    return kOk;
}

int release(void* address)
{
    if (depth == 0) {
        return kInvalidContext;
    }
    --live_memory;
    std::free(address);
    return kOk;
}

int destroy(void* graph, int& live)
{
    if (!graph) {
        return kInvalidValue;
    }
    --live;
    delete static_cast<Work*>(graph);
    return kOk;
}

}  // namespace

int fake::add(void* stream, std::function<void()> work)
{
    if (int const status = check(stream)) {
        return status;
    }
    (recorded ? *recorded : queue).push_back(std::move(work));
    return kOk;
}

int fake::live()
{
    return live_memory + live_streams + live_graphs + live_executables;
}

EXPORT int cuInit(unsigned)
{
    return std::getenv("FAKE_NO_GPU") ? kNoDevice : kOk;
}
EXPORT int cuDriverGetVersion(int* version)
{
    return *version = 13000, kOk;
}
EXPORT int cuDeviceGetCount(int* count)
{
    return *count = 1, kOk;
}
EXPORT int cuDeviceGet(int* device, int ordinal)
{
    return *device = 0, ordinal == 0 ? kOk : kInvalidDevice;
}
EXPORT int cuDeviceGetAttribute(int* value, int which, int)
{
    return *value = which == 75 ? 8 : 6, kOk;  // sm86
}
EXPORT int cuDevicePrimaryCtxRetain(void** context, int)
{
    return *context = &context_object, kOk;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int)
{
    return kOk;
}
EXPORT int cuCtxPushCurrent_v2(void* context)
{
    return ++depth, context == &context_object ? kOk : kInvalidContext;
}
EXPORT int cuCtxPopCurrent_v2(void** context)
{
    if (depth == 0) {
        return kInvalidContext;
    }
    return --depth, *context = &context_object, kOk;
}
EXPORT int cuCtxGetDevice(int* device)
{
    return *device = 0, kOk;
}
EXPORT int cuStreamCreate(void** stream, unsigned flags)
{
    if (depth == 0) {
        return kInvalidContext;
    }
    return ++live_streams, *stream = kStream, flags == 1 ? kOk : kInvalidValue;  // non-blocking
}
EXPORT int cuStreamDestroy_v2(void* stream)
{
    if (int const status = check(stream)) {
        return status;
    }
    return --live_streams, kOk;
}
EXPORT int cuStreamSynchronize(void* stream)
{
    if (int const status = recorded ? int(kInvalidValue) : check(stream)) {
        return status;
    }
    for (auto const& work : queue) {
        work();
    }
    return queue.clear(), kOk;
}
EXPORT int cuMemAlloc_v2(void** address, size_t size)
{
    return allocate(address, size);
}
EXPORT int cuMemHostAlloc(void** address, size_t size, unsigned)
{
    return allocate(address, size);
}
EXPORT int cuMemFree_v2(void* address)
{
    return release(address);
}
EXPORT int cuMemFreeHost(void* address)
{
    return release(address);
}
EXPORT int cuMemGetInfo_v2(size_t* free_bytes, size_t* total)
{
    return *free_bytes = 5'000'000, *total = 8'000'000'000, depth > 0 ? kOk : kInvalidContext;
}
EXPORT int cuMemcpyHtoDAsync_v2(void* to, void const* from, size_t size, void* stream)
{
    return copy(to, from, size, stream);
}
EXPORT int cuMemcpyDtoHAsync_v2(void* to, void const* from, size_t size, void* stream)
{
    return copy(to, from, size, stream);
}
EXPORT int cuMemcpyDtoDAsync_v2(void* to, void const* from, size_t size, void* stream)
{
    return ++fake::copies_on_device, copy(to, from, size, stream);
}
EXPORT int cuStreamBeginCapture_v2(void* stream, int mode)
{
    if (int const status = mode != 1 || recorded ? int(kInvalidValue) : check(stream)) {
        return status;
    }
    broken = false;
    recorded = new Work;
    return ++live_graphs, kOk;
}
EXPORT int cuStreamEndCapture(void*, void** graph)
{
    *graph = recorded;
    recorded = nullptr;
    if (broken) {
        destroy(*graph, live_graphs);
        return *graph = nullptr, kCaptureInvalidated;
    }
    return *graph ? kOk : kInvalidValue;
}
EXPORT int cuGraphInstantiateWithFlags(void** made, void* graph, unsigned long long flags)
{
    return ++live_executables, *made = new Work(*static_cast<Work*>(graph)), flags == 0 ? kOk : kInvalidValue;
}
EXPORT int cuGraphDestroy(void* graph)
{
    return destroy(graph, live_graphs);
}
EXPORT int cuGraphExecDestroy(void* graph)
{
    return destroy(graph, live_executables);
}
EXPORT int cuGraphLaunch(void* made, void* stream)
{
    ++fake::replays;
    for (auto const& work : *static_cast<Work*>(made)) {
        if (int const status = fake::add(stream, work)) {
            return status;
        }
    }
    return kOk;
}
EXPORT int cuGetErrorName(int status, char const** name)
{
    return *name = status == kCaptureInvalidated ? "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED" : "CUDA_ERROR",
           kOk;
}
EXPORT int cuGetErrorString(int status, char const** text)
{
    return *text = status == kInvalidContext ? "invalid device context" : "some error", kOk;
}

// What the tests ask.
EXPORT int fake_live_graphs()
{
    return live_graphs;
}
EXPORT int fake_live_memory()
{
    return live_memory;
}
EXPORT int fake_live_streams()
{
    return live_streams;
}
