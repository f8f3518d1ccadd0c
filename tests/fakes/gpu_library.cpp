// SPDX-License-Identifier: Apache-2.0
/// A GPU on host memory: as much of NVIDIA's driver, of TensorRT and of our operator library as the C++
/// runtime calls, in one library. Nothing is done before the stream is waited for; a call without a current
/// context fails, as does an allocation of more than 1 GB or one while a graph is recorded. The network is
/// that of tests/fakes/bundle.py; its plan is a text: the graph's name, then "input NAME TYPE SIZES"
/// and "output ...".
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "fmmp/crop.h"
#include "stubs.h"  // made from TensorRT's headers: classes whose methods end the process

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

enum { kOk = 0, kInvalidValue = 1, kOutOfMemory = 2, kInvalidContext = 201, kCaptureInvalidated = 901 };

using Work = std::vector<std::function<void()>>;

Work queue;
Work* recorded = nullptr;
bool broken = false;
thread_local int depth = 0;
int live_memory = 0, live_streams = 0, live_graphs = 0, live_engines = 0, runs = 0, replays = 0,
    state_copies = 0;
char stream_object, context_object;

int add(void* stream, std::function<void()> work)
{
    if (depth == 0 || stream != &stream_object) {
        return depth == 0 ? kInvalidContext : kInvalidValue;
    }
    (recorded ? *recorded : queue).push_back(std::move(work));
    return kOk;
}

int copy(void* target, void const* source, size_t size, void* stream)
{
    return add(stream, [=] { std::memmove(target, source, size); });
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

}  // namespace

EXPORT int cuInit(unsigned)
{
    return std::getenv("FAKE_NO_GPU") ? 100 : kOk;
}
EXPORT int cuDeviceGet(int* device, int)
{
    return *device = 0, kOk;
}
EXPORT int cuDeviceGetAttribute(int* value, int which, int)
{
    return *value = which == 75 ? 8 : 6, kOk;
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
    return --depth, *context = &context_object, kOk;
}
EXPORT int cuStreamCreate(void** stream, unsigned flags)
{
    return ++live_streams, *stream = &stream_object, flags == 1 && depth > 0 ? kOk : kInvalidValue;
}
EXPORT int cuStreamDestroy_v2(void*)
{
    return --live_streams, depth > 0 ? kOk : kInvalidContext;
}
EXPORT int cuStreamSynchronize(void*)
{
    if (depth == 0 || recorded) {
        return kInvalidContext;
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
    return *free_bytes = 5'000'000, *total = 8'000'000'000, kOk;
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
    return ++state_copies, copy(to, from, size, stream);
}
EXPORT int cuStreamBeginCapture_v2(void* stream, int mode)
{
    broken = false;
    recorded = new Work;
    return ++live_graphs, stream == &stream_object && mode == 1 ? kOk : kInvalidValue;
}
EXPORT int cuStreamEndCapture(void*, void** graph)
{
    *graph = broken ? nullptr : recorded;
    recorded = nullptr;
    return broken ? kCaptureInvalidated : kOk;
}
EXPORT int cuGraphInstantiateWithFlags(void** made, void* graph, unsigned long long)
{
    return ++live_graphs, *made = new Work(*static_cast<Work*>(graph)), kOk;
}
EXPORT int cuGraphDestroy(void* graph)
{
    return --live_graphs, delete static_cast<Work*>(graph), kOk;
}
EXPORT int cuGraphExecDestroy(void* graph)
{
    return --live_graphs, delete static_cast<Work*>(graph), kOk;
}
EXPORT int cuGraphLaunch(void* made, void* stream)
{
    ++replays;
    for (auto const& work : *static_cast<Work*>(made)) {
        if (int const status = add(stream, work)) {
            return status;
        }
    }
    return kOk;
}
EXPORT int cuGetErrorName(int, char const** name)
{
    return *name = "CUDA_ERROR", kOk;
}

EXPORT int fmmp_crop(fmmp::CropSource const* sources, int32_t count, uint8_t* crops, int32_t size,
                     void* stream)
{
    return add(stream, [=] {
        for (int32_t n = 0; n < count; ++n) {
            for (int32_t pixel = 0; pixel < size * size; ++pixel) {
                fmmp::crop_pixel(sources[n], pixel % size, pixel / size,
                                 crops + 3 * (int64_t(n) * size * size + pixel));
            }
        }
    });
}

namespace nvinfer1 {
namespace {

struct Tensor {
    bool input;
    DataType type;
    Dims shape;
    size_t bytes, count;
};

struct Plan {
    std::string graph;
    std::map<std::string, Tensor> tensors;
};

Plan parse(std::string const& text)
{
    std::map<std::string, std::pair<DataType, size_t>> const types{{"float32", {DataType::kFLOAT, 4}},
                                                                   {"uint8", {DataType::kUINT8, 1}},
                                                                   {"bool", {DataType::kBOOL, 1}},
                                                                   {"int64", {DataType::kINT64, 8}},
                                                                   {"int32", {DataType::kINT32, 4}}};
    Plan plan;
    std::istringstream lines(text);
    std::getline(lines, plan.graph);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string mode, name, type;
        words >> mode >> name >> type;
        Tensor tensor{mode == "input", types.at(type).first, {}, 0, 1};
        for (int64_t size = 0; words >> size;) {
            tensor.shape.d[tensor.shape.nbDims++] = size;
            tensor.count *= size_t(size);
        }
        tensor.bytes = tensor.count * types.at(type).second;
        plan.tensors[name] = tensor;
    }
    return plan;
}

void log(char const* message);

class FakeContext : public StubExecutionContext {
public:
    explicit FakeContext(Plan const& plan) : plan_(plan) {}

    bool setTensorAddress(char const* name, void* data) noexcept override
    {
        places_[name] = data;
        return plan_.tensors.count(name) > 0;
    }

    bool enqueueV3(cudaStream_t stream) noexcept override
    {
        ++runs;
        if (std::getenv("FAKE_RUN_FAILS")) {
            log("the fake does not run");
            return false;
        }
        return add(stream, [this] { plan_.graph == "support" ? support() : query(); }) == kOk;
    }

private:
    template <typename T>
    T* at(char const* name)
    {
        return static_cast<T*>(places_.at(name));
    }

    void support()
    {
        for (char const* const name : {"support", "keypoints", "visible", "reference_index"}) {
            std::memcpy(places_.at(std::string("state_") + name), places_.at(name),
                        plan_.tensors.at(name).bytes);
        }
        Dims const shape = plan_.tensors.at("visible").shape;  // 1, S, K
        for (int64_t keypoint = 0; keypoint < shape.d[2]; ++keypoint) {
            float sum[2] = {}, shown = 0;
            for (int64_t shot = 0; shot < shape.d[1]; ++shot) {
                int64_t const place = shot * shape.d[2] + keypoint;
                float const weight = at<bool>("visible")[place] ? 1.f : 0.f;
                shown += weight;
                sum[0] += weight * at<float>("keypoints")[2 * place];
                sum[1] += weight * at<float>("keypoints")[2 * place + 1];
            }
            for (int axis = 0; axis < 2; ++axis) {
                at<float>("state_mean")[2 * keypoint + axis] = sum[axis] / std::max(shown, 1.f);
            }
        }
    }

    void query()
    {
        size_t const count = plan_.tensors.at("state_mean").count;
        float* const points = at<float>("points");
        std::memset(points, 0, plan_.tensors.at("points").bytes);
        std::memcpy(points + plan_.tensors.at("points").count - count, at<float>("state_mean"), 4 * count);
        double sum = 0;
        size_t const pixels = plan_.tensors.at("query").count;
        for (size_t i = 0; i < pixels; ++i) {
            sum += at<uint8_t>("query")[i];
        }
        for (size_t i = 0; i < plan_.tensors.at("score").count; ++i) {
            at<float>("score")[i] = float(sum / double(pixels) / 255);
        }
    }

    Plan const& plan_;
    std::map<std::string, void*> places_;
};

struct OwnedContext : IExecutionContext {
    explicit OwnedContext(Plan const& plan) : implementation(plan) { mImpl = &implementation; }
    FakeContext implementation;
};

class FakeEngine : public StubCudaEngine {
public:
    explicit FakeEngine(Plan plan) : plan_(std::move(plan)) {}

    IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy) noexcept override
    {
        return new OwnedContext(plan_);
    }
    Dims getTensorShape(char const* name) const noexcept override
    {
        auto const found = plan_.tensors.find(name);
        return found == plan_.tensors.end() ? Dims{-1, {}} : found->second.shape;
    }
    DataType getTensorDataType(char const* name) const noexcept override
    {
        auto const found = plan_.tensors.find(name);
        return found == plan_.tensors.end() ? DataType::kFLOAT : found->second.type;
    }
    TensorIOMode getTensorIOMode(char const* name) const noexcept override
    {
        auto const found = plan_.tensors.find(name);
        if (found == plan_.tensors.end()) {
            return TensorIOMode::kNONE;
        }
        return found->second.input ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
    }
    int32_t getNbIOTensors() const noexcept override { return int32_t(plan_.tensors.size()); }

private:
    Plan plan_;
};

struct OwnedEngine : ICudaEngine {
    explicit OwnedEngine(Plan plan) : implementation(std::move(plan))
    {
        mImpl = &implementation, ++live_engines;
    }
    ~OwnedEngine() noexcept override { --live_engines; }
    FakeEngine implementation;
};

class FakeRegistry : public StubPluginRegistry {
public:
    PluginLibraryHandle loadLibrary(char const*) noexcept override { return loaded++ == 0 ? this : nullptr; }
    int loaded = 0;
};

class FakeRuntime : public StubRuntime {
public:
    ICudaEngine* deserializeCudaEngine(void const* blob, size_t size) noexcept override
    {
        std::string const text(static_cast<char const*>(blob), size);
        if (text.rfind("refuse", 0) == 0) {
            return log("the fake refuses this plan"), nullptr;
        }
        return new OwnedEngine(parse(text));
    }
    void setEngineHostCodeAllowed(bool) noexcept override {}
    IPluginRegistry& getPluginRegistry() noexcept override { return registry_; }

private:
    FakeRegistry registry_;
};

struct OwnedRuntime : IRuntime {
    OwnedRuntime() { mImpl = &implementation; }
    FakeRuntime implementation;
};

ILogger* logger = nullptr;

void log(char const* message)
{
    logger->log(ILogger::Severity::kERROR, message);
}

}  // namespace
}  // namespace nvinfer1

EXPORT void* createInferRuntime_INTERNAL(void* logger, int32_t) noexcept
{
    nvinfer1::logger = static_cast<nvinfer1::ILogger*>(logger);
    return new nvinfer1::OwnedRuntime;
}
EXPORT int32_t getInferLibMajorVersion() noexcept
{
    return std::getenv("FAKE_MAJOR") ? 99 : NV_TENSORRT_MAJOR;
}
EXPORT int32_t getInferLibMinorVersion() noexcept
{
    return 7;
}
EXPORT int32_t getInferLibPatchVersion() noexcept
{
    return 1;
}
EXPORT int32_t getInferLibBuildVersion() noexcept
{
    return 2;
}

EXPORT int fake_live()
{
    return live_memory + live_streams + live_graphs + live_engines;
}
EXPORT int fake_runs()
{
    return runs;
}
EXPORT int fake_replays()
{
    return replays;
}
EXPORT int fake_state_copies()
{
    return state_copies;
}
