// SPDX-License-Identifier: Apache-2.0
#include "tensorrt/tensorrt_engine.h"

#include <algorithm>

#include "files/files.h"

namespace fmmp::runtime {
namespace {

constexpr size_t kKept = 4;  // complaints
constexpr char kBuildAgain[] = "build it again with fmmp-export --bundle";

std::vector<std::string> library_names(std::string const& said)
{
    std::string const path = said_or_variable(said, "FMMP_TENSORRT_LIBRARY");
    return {path.empty() ? "libnvinfer.so." + std::to_string(NV_TENSORRT_MAJOR) : path};
}

/// Numpy's name of a type; empty for one that no graph of ours has.
std::string type_name(nvinfer1::DataType type)
{
    switch (type) {
        case nvinfer1::DataType::kFLOAT:
            return "float32";
        case nvinfer1::DataType::kHALF:
            return "float16";
        case nvinfer1::DataType::kINT32:
            return "int32";
        case nvinfer1::DataType::kINT64:
            return "int64";
        case nvinfer1::DataType::kBOOL:
            return "bool";
        case nvinfer1::DataType::kUINT8:
            return "uint8";
        default:
            return "";
    }
}

/// What differs between a tensor of an engine and what model.json says; empty where nothing does.
std::string difference(nvinfer1::ICudaEngine const& engine, TensorSpec const& expected,
                       nvinfer1::TensorIOMode mode)
{
    char const* const name = expected.name.c_str();
    nvinfer1::Dims const dims = engine.getTensorShape(name);
    std::vector<int64_t> const shape(dims.d, dims.d + std::max<int32_t>(dims.nbDims, 0));
    if (engine.getTensorIOMode(name) == mode &&
        type_name(engine.getTensorDataType(name)) == expected.dtype->name && shape == expected.shape) {
        return "";
    }
    return "does not " + std::string(mode == nvinfer1::TensorIOMode::kINPUT ? "take " : "give ") +
           expected.name + " as " + expected.text();
}

std::string difference(nvinfer1::ICudaEngine const& engine, GraphSpec const& graph)
{
    for (TensorSpec const& input : graph.inputs) {
        std::string const found = difference(engine, input, nvinfer1::TensorIOMode::kINPUT);
        if (!found.empty()) {
            return found;
        }
    }
    for (TensorSpec const& output : graph.outputs) {
        std::string const found = difference(engine, output, nvinfer1::TensorIOMode::kOUTPUT);
        if (!found.empty()) {
            return found;
        }
    }
    bool const more = size_t(engine.getNbIOTensors()) != graph.inputs.size() + graph.outputs.size();
    return more ? "has more inputs or outputs than model.json says" : "";
}

}  // namespace

void Complaints::log(Severity severity, char const* message) noexcept
{
    if (severity > Severity::kERROR) {
        return;
    }
    try {
        std::lock_guard<std::mutex> const lock(mutex_);
        if (std::find(messages_.begin(), messages_.end(), message) == messages_.end()) {
            messages_.emplace_back(message);
        }
        if (messages_.size() > kKept) {
            messages_.pop_front();
        }
    } catch (std::exception const&) {
        // No memory for words; the failure itself is told by whoever made it.
    }
}

void Complaints::clear()
{
    std::lock_guard<std::mutex> const lock(mutex_);
    messages_.clear();
}

std::string Complaints::text() const
{
    std::lock_guard<std::mutex> const lock(mutex_);
    std::vector<std::string> const words(messages_.begin(), messages_.end());
    return words.empty() ? "it does not say why" : join(words, "; ");
}

TensorRtLibrary::TensorRtLibrary(std::string const& said)
    : library_(library_names(said), "TensorRT " + std::to_string(NV_TENSORRT_MAJOR),
               "install it, or say where libnvinfer.so is with FMMP_TENSORRT_LIBRARY")
{
    int32_t numbers[4] = {};
    char const* const names[] = {"getInferLibMajorVersion", "getInferLibMinorVersion",
                                 "getInferLibPatchVersion", "getInferLibBuildVersion"};
    for (size_t i = 0; i < 4; ++i) {
        numbers[i] = library_.get<int32_t (*)()>(names[i])();
        version_ += (i == 0 ? "" : ".") + std::to_string(numbers[i]);
    }
    if (numbers[0] != NV_TENSORRT_MAJOR) {
        throw Error(Fault::kBackend, library_.name() + " is TensorRT " + version_ +
                                         ", this fmmp was compiled for TensorRT " +
                                         std::to_string(NV_TENSORRT_MAJOR) +
                                         ": compile it with -DTENSORRT_INCLUDE_DIR of the other");
    }
}

OpenEngine::OpenEngine(std::string file, std::unique_ptr<nvinfer1::ICudaEngine> engine,
                       std::unique_ptr<nvinfer1::IExecutionContext> context, Complaints& complaints)
    : file_(std::move(file)),
      engine_(std::move(engine)),
      context_(std::move(context)),
      complaints_(complaints)
{
}

void OpenEngine::bind(std::string const& name, uint64_t address)
{
    if (!context_->setTensorAddress(name.c_str(), reinterpret_cast<void*>(address))) {
        refuse("does not take " + name + " of");
    }
}

void OpenEngine::run(void* stream)
{
    complaints_.clear();
    if (!context_->enqueueV3(static_cast<cudaStream_t>(stream))) {
        refuse("cannot run");
    }
}

void OpenEngine::refuse(std::string const& what) const
{
    throw Error(Fault::kBackend, "TensorRT " + what + " " + file_ + ": " + complaints_.text());
}

TensorRtRuntime::TensorRtRuntime(TensorRtLibrary const& library, std::string operator_path)
    : title_("TensorRT " + library.version()), operator_path_(std::move(operator_path))
{
    auto const create = library.library().get<void* (*)(void*, int32_t)>("createInferRuntime_INTERNAL");
    runtime_.reset(static_cast<nvinfer1::IRuntime*>(create(&complaints_, NV_TENSORRT_VERSION)));
    if (!runtime_) {
        refuse("does not start", "see what it says");
    }
}

std::unique_ptr<OpenEngine> TensorRtRuntime::open(std::string const& file, PickedEngine const& picked,
                                                  GraphSpec const& graph)
{
    complaints_.clear();
    load_operator(picked.spec);
    std::unique_ptr<nvinfer1::ICudaEngine> engine(
        runtime_->deserializeCudaEngine(picked.plan.data(), picked.plan.size()));
    if (!engine) {
        refuse("cannot load " + file, kBuildAgain);
    }
    std::string const wrong = difference(*engine, graph);
    if (!wrong.empty()) {
        throw Error(Fault::kBackend, file + " " + wrong + ": " + kBuildAgain);
    }
    std::unique_ptr<nvinfer1::IExecutionContext> context(engine->createExecutionContext());
    if (!context) {
        refuse("cannot run " + file, "if it has no memory, end other programs on the GPU");
    }
    return std::make_unique<OpenEngine>(file, std::move(engine), std::move(context), complaints_);
}

void TensorRtRuntime::refuse(std::string const& what, std::string const& mend) const
{
    throw Error(Fault::kBackend, title_ + " " + what + ": " + complaints_.text() + "; " + mend);
}

void TensorRtRuntime::load_operator(EngineSpec const& spec)
{
    if (spec.plugin_inside) {
        runtime_->setEngineHostCodeAllowed(true);
    } else if (!spec.plugin.empty() && !operator_loaded_) {
        if (!runtime_->getPluginRegistry().loadLibrary(operator_path_.c_str())) {
            refuse("does not take " + operator_path_, "build it again");
        }
        operator_loaded_ = true;  // it refuses a second copy
    }
}

}  // namespace fmmp::runtime
