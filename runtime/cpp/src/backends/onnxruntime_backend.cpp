// SPDX-License-Identifier: Apache-2.0
#include "backends/onnxruntime_backend.h"

#include <cstring>

#include "files/shared_library.h"
#include "fmmp/ort_api.h"

namespace fmmp::runtime {
namespace {

using ort::Owned;

constexpr char kLibrary[] = "libfmmp_onnxruntime.so";
// In the name of each of its operators, as graphs spell it.
constexpr char kOperators[] = "DeformableAttention";
constexpr uint32_t kApiVersion = 18;  // the oldest interface that takes weights from memory
// Gives convolutions of 8 bits a bias of 32 bits, by way of half where their scales are half: infinity,
// often.
constexpr char kWrongOptimizer[] = "WeightBiasQuantization";

std::vector<std::string> library_names(Options const& options)
{
    std::string const said = said_or_variable(options.onnxruntime_library, "FMMP_ONNXRUNTIME_LIBRARY");
    if (!said.empty()) {
        return {said};
    }
    std::vector<std::string> names{"libonnxruntime.so.1", "libonnxruntime.so"};
#ifdef FMMP_ONNXRUNTIME_LIBRARY
    names.insert(names.begin(), FMMP_ONNXRUNTIME_LIBRARY);
#endif
    return names;
}

ONNXTensorElementDataType element_type(Dtype const& dtype)
{
    constexpr std::pair<char const*, ONNXTensorElementDataType> kTypes[] = {
        {"uint8", ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8},     {"bool", ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL},
        {"float16", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16}, {"int32", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32},
        {"int64", ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64},     {"float32", ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT}};
    for (auto const& [name, type] : kTypes) {
        if (std::strcmp(name, dtype.name) == 0) {
            return type;
        }
    }
    return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

/// One graph, loaded.
class Session {
public:
    /// `bytes`: of the graph's file; not needed afterwards.
    Session(ort::Api const& api, OrtEnv* env, OrtSessionOptions const* options, std::string const& bytes,
            GraphSpec const& graph)
        : api_(api), graph_(graph), session_(nullptr, api->ReleaseSession)
    {
        OrtSession* session = nullptr;
        api.check(api->CreateSessionFromArray(env, bytes.data(), bytes.size(), options, &session));
        session_.reset(session);
        OrtMemoryInfo* memory = nullptr;
        api.check(api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory));
        memory_ = std::shared_ptr<OrtMemoryInfo>(memory, api->ReleaseMemoryInfo);
    }

    /// All outputs by name. `inputs` gives the bytes of each input, and is not written to.
    template <typename Inputs>
    Tensors run(Inputs const& inputs) const
    {
        std::vector<Owned<OrtValue>> values;
        std::vector<OrtValue const*> given;
        std::vector<char const*> names, output_names;
        for (TensorSpec const& spec : graph_.inputs) {
            values.push_back(value(spec, inputs(spec.name)));
            given.push_back(values.back().get());
            names.push_back(spec.name.c_str());
        }
        for (TensorSpec const& spec : graph_.outputs) {
            output_names.push_back(spec.name.c_str());
        }
        std::vector<OrtValue*> made(output_names.size(), nullptr);
        OrtStatus* const status = api_->Run(session_.get(), nullptr, names.data(), given.data(), given.size(),
                                            output_names.data(), made.size(), made.data());
        std::vector<Owned<OrtValue>> owned;
        for (OrtValue* const output : made) {
            owned.emplace_back(output, api_->ReleaseValue);
        }
        api_.check(status);
        Tensors outputs;
        for (size_t i = 0; i < made.size(); ++i) {
            outputs[graph_.outputs[i].name] = bytes(graph_.outputs[i], made[i]);
        }
        return outputs;
    }

private:
    Owned<OrtValue> value(TensorSpec const& spec, std::vector<uint8_t> const& tensor) const
    {
        if (tensor.size() != spec.bytes()) {
            throw std::runtime_error(spec.name + " must be " + spec.text());
        }
        OrtValue* value = nullptr;
        api_.check(api_->CreateTensorWithDataAsOrtValue(memory_.get(), const_cast<uint8_t*>(tensor.data()),
                                                        tensor.size(), spec.shape.data(), spec.shape.size(),
                                                        element_type(*spec.dtype), &value));
        return {value, api_->ReleaseValue};
    }

    std::vector<uint8_t> bytes(TensorSpec const& spec, OrtValue* value) const
    {
        OrtTensorTypeAndShapeInfo* description = nullptr;
        api_.check(api_->GetTensorTypeAndShape(value, &description));
        Owned<OrtTensorTypeAndShapeInfo> const owned(description, api_->ReleaseTensorTypeAndShapeInfo);
        ort::TensorInfo const info = api_.read(description);
        if (info.type != element_type(*spec.dtype) || info.shape != spec.shape) {
            throw std::runtime_error("it did not give " + spec.name + " as " + spec.text());
        }
        void* data = nullptr;
        api_.check(api_->GetTensorMutableData(value, &data));
        auto const* const first = static_cast<uint8_t const*>(data);
        return {first, first + spec.bytes()};
    }

    ort::Api api_;
    GraphSpec const& graph_;
    Owned<OrtSession> session_;
    std::shared_ptr<OrtMemoryInfo> memory_;
};

class OnnxRuntimeBackend : public Backend {
public:
    OnnxRuntimeBackend(std::shared_ptr<Bundle const> bundle, Options const& options)
        : bundle_(std::move(bundle)),
          threads_(options.threads),
          library_(library_names(options), "ONNX Runtime",
                   "install it, or say where libonnxruntime.so is with FMMP_ONNXRUNTIME_LIBRARY"),
          api_(open_api()),
          env_(nullptr, api_->ReleaseEnv)
    {
        std::string const support = bundle_->read_checked(graph("support").file),
                          query = bundle_->read_checked(graph("query").file);
        std::string weights = bundle_->read_checked(kWeightsFile);
        standard_ = query.find(kOperators) == std::string::npos;
        if (!standard_) {
            operator_ = operator_library(kLibrary, options.operator_folder);
        }
        OrtEnv* env = nullptr;
        api_.check(api_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "fmmp", &env));
        env_.reset(env);
        query_ = load("query", query, weights);
        support_ = load("support", support, weights);
    }

    std::string description() const override
    {
        std::string kernel = "standard operators, as it was exported";
        if (operator_) {
            kernel = "the compiled operator " + *operator_;
        } else if (!standard_) {
            kernel = std::string("the graph's own definition, which is slower (no ") + kLibrary +
                     " beside the runtime or in FMMP_LIBRARY_DIR)";
        }
        return "ONNX Runtime " + version_ + " on the CPU; deformable attention by " + kernel;
    }

    Tensors remember(Tensors const& inputs) override
    {
        return guarded("run", "support", [&] {
            return support_->run([&](std::string const& name) -> auto const& { return inputs.at(name); });
        });
    }

    Answer locate(Image const& frame, Affine const& inverse,
                  std::shared_ptr<SupportState const> const& state) override
    {
        std::vector<uint8_t> crop(graph("query").tensor("query").bytes());
        warp(frame, inverse, bundle_->model.image_size, crop.data());
        Tensors const outputs = guarded("run", "query", [&] {
            return query_->run([&](std::string const& name) -> auto const& {
                return name == "query" ? crop : state->tensors.at(name);
            });
        });
        size_t const count = size_t(bundle_->model.keypoints);
        std::vector<uint8_t> const &points = outputs.at("points"), &score = outputs.at("score");
        float const* const end = elements<float>(points) + points.size() / sizeof(float);
        float const* const scores = elements<float>(score);
        return {{end - 2 * count, end}, {scores, scores + count}};
    }

private:
    GraphSpec const& graph(char const* name) const { return bundle_->model.graphs.at(name); }

    OrtApi const* open_api()
    {
        auto const base = library_.get<OrtApiBase const* (*)()>("OrtGetApiBase")();
        version_ = base->GetVersionString();
        OrtApi const* const api = base->GetApi(kApiVersion);
        if (!api) {
            throw Error(Fault::kBackend, "ONNX Runtime " + version_ + " (" + library_.name() +
                                             ") is too old: 1." + std::to_string(kApiVersion) +
                                             " or later is needed");
        }
        return api;
    }

    /// A graph from bytes, none of which ONNX Runtime keeps.
    std::unique_ptr<Session> load(char const* name, std::string const& bytes, std::string& weights)
    {
        return guarded("load", name, [&] {
            OrtSessionOptions* made = nullptr;
            api_.check(api_->CreateSessionOptions(&made));
            Owned<OrtSessionOptions> const options(made, api_->ReleaseSessionOptions);
            api_.check(api_->SetSessionLogSeverityLevel(made, ORT_LOGGING_LEVEL_ERROR));
            api_.check(api_->SetIntraOpNumThreads(made, threads_));  // 0: it counts the cores
            // Only the threads of the query graph wait in a spin for the next frame: two pools that do double
            // its time.
            bool const spin = std::strcmp(name, "query") == 0;
            api_.check(
                api_->AddSessionConfigEntry(made, "session.intra_op.allow_spinning", spin ? "1" : "0"));
            api_.check(api_->AddSessionConfigEntry(made, "optimization.disable_specified_optimizers",
                                                   kWrongOptimizer));
            if (operator_) {
                api_.check(api_->RegisterCustomOpsLibrary_V2(made, operator_->c_str()));
            }
            // Weights that are none of ours would be looked for below a file: found nowhere, and said.
            std::string const nowhere = bundle_->path + "/" + kWeightsFile;
            api_.check(api_->AddSessionConfigEntry(
                made, "session.model_external_initializers_file_folder_path", nowhere.c_str()));
            char const* const file = kWeightsFile;
            char* const content = weights.data();
            size_t const size = weights.size();
            api_.check(api_->AddExternalInitializersFromFilesInMemory(made, &file, &content, &size, 1));
            return std::make_unique<Session>(api_, env_.get(), made, bytes, graph(name));
        });
    }

    /// Give ONNX Runtime's errors our name.
    template <typename Work>
    auto guarded(char const* verb, char const* name, Work const& work) const -> decltype(work())
    {
        try {
            return work();
        } catch (std::runtime_error const& error) {
            throw Error(Fault::kBackend, "ONNX Runtime " + version_ + " cannot " + verb + " " +
                                             bundle_->path + "/" + graph(name).file + ": " + error.what());
        }
    }

    std::shared_ptr<Bundle const> bundle_;
    int threads_;
    SharedLibrary library_;
    std::string version_;
    ort::Api api_;
    Owned<OrtEnv> env_;
    bool standard_ = false;  // the graphs have no use for the operator library
    std::optional<std::string> operator_;
    std::unique_ptr<Session> query_, support_;
};

}  // namespace

std::unique_ptr<Backend> create_onnxruntime(std::shared_ptr<Bundle const> const& bundle,
                                            Options const& options)
{
    return std::make_unique<OnnxRuntimeBackend>(bundle, options);
}

}  // namespace fmmp::runtime
