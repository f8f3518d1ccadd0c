// SPDX-License-Identifier: Apache-2.0
/// As much of TensorRT and of our operator library as the C++ runtime calls, on the driver of driver.cpp, in
/// one library with it. The network is that of tests/fakes/bundle.py; its plan is a text: the graph's name,
/// then "input NAME TYPE SIZES" and "output ...".
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "driver.h"
#include "fmmp/crop.h"
#include "stubs.h"  // made from TensorRT's headers: classes whose methods end the process

namespace {
int live_engines = 0, runs = 0;
}

EXPORT int fmmp_crop(fmmp::CropSource const* sources, int32_t count, uint8_t* crops, int32_t size,
                     void* stream)
{
    return fake::add(stream, [=] {
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
        return fake::add(stream, [this] { plan_.graph == "support" ? support() : query(); }) == 0;
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
    return fake::live() + live_engines;
}
EXPORT int fake_runs()
{
    return runs;
}
EXPORT int fake_replays()
{
    return fake::replays;
}
EXPORT int fake_state_copies()
{
    return fake::copies_on_device;
}
