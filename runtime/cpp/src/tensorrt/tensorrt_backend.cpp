// SPDX-License-Identifier: Apache-2.0
#include "tensorrt/tensorrt_backend.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>

#include "files/files.h"
#include "fmmp/crop.h"
#include "tensorrt/gpu_session.h"

namespace fmmp::runtime {
namespace {

constexpr char kOperator[] = "libfmmp_tensorrt.so";
constexpr size_t kHeldStates = 64;  // categories whose state stays on the GPU

/// What running an engine takes, found or not.
struct Machine {
    std::shared_ptr<Cuda const> cuda;
    std::optional<TensorRtLibrary> library;
    std::string operator_path;
    std::vector<std::string> lacks;

    explicit Machine(Options const& options)
    {
        attempt([&] { library.emplace(options.tensorrt_library); });
        attempt([&] {
            std::optional<std::string> const found = operator_library(kOperator, options.operator_folder);
            if (!found) {
                throw Error(Fault::kBackend,
                            std::string(kOperator) +
                                " is neither beside the runtime nor in FMMP_LIBRARY_DIR: build it "
                                "(docs/measured/operator-gpu.md)");
            }
            operator_path = *found;
        });
        attempt([&] { cuda = std::make_shared<Cuda>(); });
    }

    /// What the engine of a graph must be for; nothing may lack.
    EngineKey key(std::string const& graph) const
    {
        return {graph, library->version(), cuda->architecture(), sha256_file(operator_path)};
    }

private:
    template <typename Work>
    void attempt(Work const& work)
    {
        try {
            work();
        } catch (Error const& error) {
            lacks.push_back(error.what());
        }
    }
};

/// The frames' way to the GPU: one pinned buffer and one on the device, as large as the largest frame so far.
class FrameBuffer {
public:
    explicit FrameBuffer(std::shared_ptr<Cuda const> cuda) : cuda_(std::move(cuda)) {}

    /// Send a frame on its way; where it will lie, in RGB and without gaps.
    uint64_t upload(Image const& frame)
    {
        size_t const row = size_t(3 * frame.width), size = row * size_t(frame.height);
        if (!host_ || host_->size() < size) {
            auto host = std::make_unique<PinnedMemory>(cuda_, size);
            device_ = std::make_unique<DeviceMemory>(cuda_, size);
            host_ = std::move(host);
        }
        for (int64_t y = 0; y < frame.height; ++y) {
            uint8_t const* const from = frame.pixels + y * frame.row_bytes;
            uint8_t* const to = host_->data() + size_t(y) * row;
            if (frame.order == ChannelOrder::kRgb) {
                std::memcpy(to, from, row);
                continue;
            }
            for (size_t x = 0; x < row; x += 3) {
                to[x] = from[x + 2], to[x + 1] = from[x + 1], to[x + 2] = from[x];
            }
        }
        cuda_->upload(device_->address(), host_->data(), size);
        return device_->address();
    }

private:
    std::shared_ptr<Cuda const> cuda_;
    std::unique_ptr<PinnedMemory> host_;
    std::unique_ptr<DeviceMemory> device_;
};

/// Support states on the GPU, as long as they live; the longest unused goes first.
class HeldStates {
public:
    HeldStates(std::shared_ptr<Cuda const> cuda, std::vector<TensorSpec> specs)
        : cuda_(std::move(cuda)), specs_(std::move(specs)), layout_(specs_)
    {
    }

    /// Where the state lies; each tensor at its start in `layout`.
    uint64_t get(std::shared_ptr<SupportState const> const& state)
    {
        held_.remove_if([](Held const& held) { return held.state.expired(); });
        auto const found = std::find_if(held_.begin(), held_.end(),
                                        [&](Held const& held) { return held.state.lock() == state; });
        if (found != held_.end()) {
            held_.splice(held_.begin(), held_, found);
        } else {
            hold(state);
        }
        return held_.front().memory->address();
    }

    Layout const& layout() const { return layout_; }

private:
    struct Held {
        std::weak_ptr<SupportState const> state;
        std::unique_ptr<DeviceMemory> memory;
    };

    void hold(std::shared_ptr<SupportState const> const& state)
    {
        if (held_.size() == kHeldStates) {
            held_.pop_back();
        }
        auto memory = std::make_unique<DeviceMemory>(cuda_, layout_.size);
        for (TensorSpec const& spec : specs_) {
            cuda_->upload(memory->address() + layout_.starts.at(spec.name),
                          state->tensors.at(spec.name).data(), spec.bytes());
        }
        cuda_->wait();  // they are no pinned memory
        held_.push_front({state, std::move(memory)});
    }

    std::shared_ptr<Cuda const> cuda_;
    std::vector<TensorSpec> specs_;
    Layout layout_;
    std::list<Held> held_;  // the newest first
};

/// All of a bundle's engines on one stream; threads wait for each other. The query runs as one CUDA graph:
/// fetch the source, crop, run, bring the answers. Its addresses never change, so it is recorded once.
class TensorRtBackend : public Backend {
public:
    TensorRtBackend(std::shared_ptr<Bundle const> bundle, Machine machine)
        : bundle_(std::move(bundle)),
          machine_(std::move(machine)),
          cuda_(machine_.cuda),
          operators_({machine_.operator_path}, kOperator, "build it again"),
          crop_(operators_.get<Crop>("fmmp_crop")),
          frames_(cuda_),
          states_(cuda_, bundle_->model.state_tensors())
    {
        Cuda::Current const current(*cuda_);
        runtime_ = std::make_unique<TensorRtRuntime>(*machine_.library, machine_.operator_path);
        sources_ = std::make_unique<PinnedMemory>(cuda_, sizeof(CropSource));
        device_sources_ = std::make_unique<DeviceMemory>(cuda_, sizeof(CropSource));
        query_ = open("query");
        *source() = {};  // no pixels
        work();          // TensorRT sets itself up in its first run, which can't be recorded
        cuda_->wait();
        recorded_ = cuda_->record([this] { work(); });
    }

    std::string description() const override
    {
        return "TensorRT " + machine_.library->version() + " on " + cuda_->architecture() +
               ", with the operator of " + machine_.operator_path;
    }

    Tensors remember(Tensors const& inputs) override
    {
        return alone([&] {
            if (!support_) {  // a device that loads its states needs no such engine
                support_ = open("support");
            }
            return support_->run(inputs);
        });
    }

    Answer locate(Image const& frame, Affine const& inverse,
                  std::shared_ptr<SupportState const> const& state) override
    {
        return alone([&] {
            put_state(state);
            CropSource* const crop = source();
            *crop = {reinterpret_cast<uint8_t const*>(frames_.upload(frame)),
                     int32_t(frame.height),
                     int32_t(frame.width),
                     3 * frame.width,
                     {}};
            std::copy(inverse.begin(), inverse.end(), crop->inverse);
            cuda_->replay(recorded_);
            cuda_->wait();
            TensorSpec const& points = graph("query").tensor("points");
            size_t const count = size_t(bundle_->model.keypoints);
            auto const* const first = reinterpret_cast<float const*>(query_->answer("points"));
            auto const* const end = first + points.count();
            auto const* const score = reinterpret_cast<float const*>(query_->answer("score"));
            return Answer{{end - 2 * count, end}, {score, score + count}};
        });
    }

private:
    using Crop = int (*)(CropSource const*, int32_t, uint8_t*, int32_t, void*);

    GraphSpec const& graph(char const* name) const { return bundle_->model.graphs.at(name); }

    CropSource* source() const { return reinterpret_cast<CropSource*>(sources_->data()); }

    std::unique_ptr<GpuSession> open(char const* name)
    {
        PickedEngine const picked = pick_engine(*bundle_, machine_.key(name));
        std::string const file = bundle_->path + "/" + picked.spec.file();
        return std::make_unique<GpuSession>(cuda_, runtime_->open(file, picked, graph(name)), graph(name));
    }

    void work() const
    {
        cuda_->upload(device_sources_->address(), sources_->data(), sizeof(CropSource));
        int const status = crop_(reinterpret_cast<CropSource const*>(device_sources_->address()), 1,
                                 reinterpret_cast<uint8_t*>(query_->address("query")),
                                 int32_t(bundle_->model.image_size), cuda_->stream());
        if (status != 0) {
            throw Error(Fault::kBackend,
                        "the crop on the GPU failed with CUDA error " + std::to_string(status));
        }
        query_->enqueue();
    }

    void put_state(std::shared_ptr<SupportState const> const& state)
    {
        uint64_t const held = states_.get(state);
        if (in_place_.lock() == state) {
            return;
        }
        in_place_.reset();  // until the copies are asked for
        for (TensorSpec const& spec : bundle_->model.state_tensors()) {
            cuda_->copy(query_->address(spec.name), held + states_.layout().starts.at(spec.name),
                        spec.bytes());
        }
        in_place_ = state;
    }

    /// One thread at a time; after an error, nothing of it is left on the way.
    template <typename Work>
    auto alone(Work const& work) -> decltype(work())
    {
        std::lock_guard<std::mutex> const lock(mutex_);
        Cuda::Current const current(*cuda_);
        try {
            return work();
        } catch (...) {
            in_place_.reset();
            try {
                cuda_->wait();
            } catch (Error const&) {
                // The first error says more.
            }
            throw;
        }
    }

    std::shared_ptr<Bundle const> bundle_;
    Machine machine_;
    std::shared_ptr<Cuda const> cuda_;
    SharedLibrary operators_;
    Crop crop_;
    FrameBuffer frames_;
    HeldStates states_;
    std::unique_ptr<TensorRtRuntime> runtime_;  // before the engines that it opens
    std::unique_ptr<PinnedMemory> sources_;
    std::unique_ptr<DeviceMemory> device_sources_;
    std::unique_ptr<GpuSession> query_, support_;
    std::shared_ptr<void> recorded_;
    std::weak_ptr<SupportState const> in_place_;
    std::mutex mutex_;
};

}  // namespace

std::string tensorrt_lacks(Bundle const& bundle, Options const& options)
{
    Machine const machine(options);
    if (!machine.lacks.empty()) {
        return join(machine.lacks, "; ");
    }
    EngineKey const key = machine.key("query");
    std::string built;
    for (EngineSpec const& engine : bundle.model.engines) {
        if (engine.backend != "tensorrt" || engine.graph != "query") {
            continue;
        }
        std::vector<std::string> const found = differences(engine, key, bundle.model);
        if (found.empty()) {
            return "";
        }
        built += (built.empty() ? "" : " or ") + join(found, ", ");
    }
    return "they were built " + built + ", and here is " + key.arch + " with TensorRT " + key.version;
}

std::unique_ptr<Backend> create_tensorrt(std::shared_ptr<Bundle const> const& bundle, Options const& options)
{
    Machine machine(options);
    if (!machine.lacks.empty()) {
        throw Error(Fault::kBackend, "TensorRT cannot run here: " + join(machine.lacks, "; "));
    }
    return std::make_unique<TensorRtBackend>(bundle, std::move(machine));
}

}  // namespace fmmp::runtime
