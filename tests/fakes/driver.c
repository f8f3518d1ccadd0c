// SPDX-License-Identifier: Apache-2.0
// As much of NVIDIA's driver as PyCUDA and the runtime use, on host memory. Nothing is done before the stream
// is waited for; a call without a current context fails, as does an allocation of more than 1 GB.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { kOk = 0, kInvalidValue = 1, kOutOfMemory = 2, kInvalidContext = 201, kCaptureInvalidated = 901 };
enum { kCopy, kCrop };

struct work {
    int kind;
    char* target;
    char const* source;
    size_t size;
};
struct list {
    int count;
    struct work items[64];
};

static struct list queue;
static struct list* recorded;  // while a stream is captured
static int broken;             // an allocation during the capture
static _Thread_local int depth;
static int live_graphs, live_memory, live_streams;

#define NEEDS_CONTEXT \
    if (depth == 0)   \
    return kInvalidContext

static int add(struct work item)
{
    struct list* const list = recorded != NULL ? recorded : &queue;
    list->items[list->count++] = item;
    return kOk;
}

int cuInit(unsigned flags) { return flags == 0 ? kOk : kInvalidValue; }
int cuDriverGetVersion(int* version) { return *version = 13000, kOk; }
int cuDeviceGetCount(int* count) { return *count = 1, kOk; }
int cuDeviceGet(int* device, int ordinal) { return *device = 0, ordinal == 0 ? kOk : 101; }
int cuDeviceGetAttribute(int* value, int attribute, int device)
{
    (void)device;
    return *value = attribute == 75 ? 8 : 6, kOk;
}
int cuDevicePrimaryCtxRetain(void** context, int device) { return *context = &queue, device; }
int cuDevicePrimaryCtxRelease_v2(int device) { return device; }
int cuCtxPushCurrent_v2(void* context) { return ++depth, context == &queue ? kOk : kInvalidContext; }
int cuCtxPopCurrent_v2(void** context)
{
    NEEDS_CONTEXT;
    return --depth, *context = &queue, kOk;
}
int cuCtxGetDevice(int* device) { return *device = 0, kOk; }
int cuStreamCreate(void** stream, unsigned flags)
{
    NEEDS_CONTEXT;
    ++live_streams;
    return *stream = (void*)0x5000, flags == 1 ? kOk : kInvalidValue;  // non-blocking, as the runtime asks
}
int cuStreamDestroy_v2(void* stream)
{
    NEEDS_CONTEXT;
    --live_streams;
    return stream == (void*)0x5000 ? kOk : kInvalidValue;
}
int cuStreamSynchronize(void* stream)
{
    NEEDS_CONTEXT;
    if (stream != (void*)0x5000 || recorded != NULL) {
        return kInvalidValue;
    }
    for (int i = 0; i < queue.count; ++i) {
        struct work const item = queue.items[i];
        if (item.kind == kCopy) {
            memmove(item.target, item.source, item.size);
        } else {
            memset(item.target, *item.source, item.size);
        }
    }
    return queue.count = 0, kOk;
}
static int allocate(void** address, size_t size)
{
    NEEDS_CONTEXT;
    broken = recorded != NULL;
    if (size > (1u << 30)) {
        return kOutOfMemory;
    }
    ++live_memory;
    return *address = calloc(1, size), kOk;
}
int cuMemAlloc_v2(void** address, size_t size) { return allocate(address, size); }
int cuMemHostAlloc(void** address, size_t size, unsigned flags) { return (void)flags, allocate(address, size); }
static int release(void* address)
{
    NEEDS_CONTEXT;
    --live_memory;
    return free(address), kOk;
}
int cuMemFree_v2(void* address) { return release(address); }
int cuMemFreeHost(void* address) { return release(address); }
int cuMemGetInfo_v2(size_t* free_bytes, size_t* total)
{
    NEEDS_CONTEXT;
    return *free_bytes = 5000000, *total = 8000000000, kOk;
}
static int copy(void* target, void const* source, size_t size, void* stream)
{
    NEEDS_CONTEXT;
    struct work const item = {kCopy, target, source, size};
    return stream == (void*)0x5000 ? add(item) : kInvalidValue;
}
int cuMemcpyHtoDAsync_v2(void* t, void const* s, size_t size, void* stream) { return copy(t, s, size, stream); }
int cuMemcpyDtoHAsync_v2(void* t, void const* s, size_t size, void* stream) { return copy(t, s, size, stream); }
int cuMemcpyDtoDAsync_v2(void* t, void const* s, size_t size, void* stream) { return copy(t, s, size, stream); }

int cuStreamBeginCapture_v2(void* stream, int mode)
{
    NEEDS_CONTEXT;
    if (stream != (void*)0x5000 || mode != 1 || recorded != NULL) {
        return kInvalidValue;
    }
    broken = 0;
    return recorded = calloc(1, sizeof *recorded), ++live_graphs, kOk;
}
int cuStreamEndCapture(void* stream, void** graph)
{
    struct list* const made = recorded;
    recorded = NULL;
    (void)stream;
    if (broken) {
        free(made);
        --live_graphs;
        return *graph = NULL, kCaptureInvalidated;
    }
    return *graph = made, made != NULL ? kOk : kInvalidValue;
}
int cuGraphInstantiateWithFlags(void** made, void* graph, unsigned long long flags)
{
    struct list* const own = calloc(1, sizeof *own);
    memcpy(own, graph, sizeof *own);
    return *made = own, flags == 0 ? kOk : kInvalidValue;
}
int cuGraphDestroy(void* graph)
{
    if (graph == NULL) {
        return kInvalidValue;
    }
    --live_graphs;
    return free(graph), kOk;
}
int cuGraphLaunch(void* made, void* stream)
{
    NEEDS_CONTEXT;
    struct list const* const list = made;
    for (int i = 0; i < list->count; ++i) {
        add(list->items[i]);
    }
    return stream == (void*)0x5000 ? kOk : kInvalidValue;
}
int cuGetErrorName(int status, char const** name)
{
    return *name = status == kCaptureInvalidated ? "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED" : "CUDA_ERROR", kOk;
}
int cuGetErrorString(int status, char const** text)
{
    return *text = status == kInvalidContext ? "invalid device context" : "some error", kOk;
}

// What the tests ask, and the operator library's crop: fills the crops with the first byte of the sources.
int fake_live_graphs(void) { return live_graphs; }
int fake_live_memory(void) { return live_memory; }
int fake_live_streams(void) { return live_streams; }
int fmmp_crop(void const* sources, int32_t count, void* crops, int32_t size, void* stream)
{
    struct work const item = {kCrop, crops, sources, (size_t)count * size * size * 3};
    return stream == (void*)0x5000 ? add(item) : kInvalidValue;
}
