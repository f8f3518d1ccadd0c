// SPDX-License-Identifier: Apache-2.0
/// Runs ms_deform_attn_cuda on the cases of a file: `driver CASES RESULTS`. Compiled by nvcc it runs on a
/// GPU; compiled by a C++ compiler with the headers of standin/ it runs on the CPU.
/// tests/plugins/cuda/driver.py writes the cases and judges the results. With --graph the launch is captured
/// in a CUDA graph, which is then replayed; with --time each case is also timed (both need a GPU).
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/ms_deform_attn.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace {

using Bytes = std::vector<char>;

/// The head of a case, in the order of driver.py.
struct Header {
    int64_t dims[8];  // MsDeformAttnDims
    int64_t value_storage, location_storage;
    int64_t levels_known;  // 1: pass the level sizes by value too
    int64_t wants_coverage;
    int64_t misalignment;  // bytes by which value starts late
    int64_t num_bytes[6];  // value, spatial_shapes, level_start_index, locations, weights, output
};

void check(cudaError_t status, char const* what)
{
    if (status != cudaSuccess) {
        throw std::runtime_error(std::string(what) + " failed with CUDA error " +
                                 std::to_string(int(status)));
    }
}

/// Device memory with a guard zone of NaN bits on either side. A read of a guard spoils the result; under
/// AddressSanitizer it ends the process.
class Guarded {
public:
    static constexpr size_t kGuard = 256;

    Guarded(Bytes content, size_t misalignment) : content_(std::move(content)), first_(kGuard + misalignment)
    {
        Bytes all(first_ + content_.size() + kGuard, char(0xff));
        std::copy(content_.begin(), content_.end(), all.begin() + std::ptrdiff_t(first_));
        size_ = all.size();
        void* memory = nullptr;
        check(cudaMalloc(&memory, size_), "cudaMalloc");
        memory_ = static_cast<char*>(memory);
        check(cudaMemcpy(memory_, all.data(), size_, cudaMemcpyHostToDevice), "cudaMemcpy");
        guard(true);
    }
    ~Guarded()
    {
        guard(false);
        cudaFree(memory_);
    }
    Guarded(Guarded const&) = delete;
    Guarded& operator=(Guarded const&) = delete;

    void* data() const { return memory_ + first_; }

    /// What is there now; throws when a guard zone was written.
    Bytes read(char const* name) const
    {
        guard(false);
        Bytes all(size_);
        check(cudaMemcpy(all.data(), memory_, size_, cudaMemcpyDeviceToHost), "cudaMemcpy");
        guard(true);
        auto const clean = [](char byte) { return byte == char(0xff); };
        auto const begin = all.begin() + std::ptrdiff_t(first_);
        auto const end = begin + std::ptrdiff_t(content_.size());
        if (!std::all_of(all.begin(), begin, clean) || !std::all_of(end, all.end(), clean)) {
            throw std::runtime_error(std::string("the memory around ") + name + " was written");
        }
        return Bytes(begin, end);
    }

    void expect_unchanged(char const* name) const
    {
        if (read(name) != content_) {
            throw std::runtime_error(std::string(name) + " is an input and was written");
        }
    }

private:
    void guard([[maybe_unused]] bool on) const
    {
#if defined(__SANITIZE_ADDRESS__)
        if (on) {
            ASAN_POISON_MEMORY_REGION(memory_, first_);
            ASAN_POISON_MEMORY_REGION(memory_ + first_ + content_.size(), kGuard);
        } else {
            ASAN_UNPOISON_MEMORY_REGION(memory_, size_);
        }
#endif
    }

    Bytes content_;
    size_t first_, size_ = 0;
    char* memory_ = nullptr;
};

struct Options {
    bool graph = false, time = false;
};

/// Runs `enqueue` as the options say and returns microseconds a launch, or 0 without --time.
template <typename Enqueue>
double run(Enqueue enqueue, [[maybe_unused]] Options const& options, cudaError_t& status)
{
#if defined(__CUDACC__)
    cudaStream_t stream;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    if (options.graph) {  // fails when the launch allocates or waits
        check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "cudaStreamBeginCapture");
        status = enqueue(stream);
        check(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
        check(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate");
        check(cudaGraphLaunch(exec, stream), "cudaGraphLaunch");
        check(cudaGraphLaunch(exec, stream), "cudaGraphLaunch");
    } else {
        status = enqueue(stream);
    }
    check(cudaStreamSynchronize(stream), "the kernel");
    double microseconds = 0;
    if (options.time && status == cudaSuccess) {
        std::vector<float> times;
        cudaEvent_t begin, end;
        check(cudaEventCreate(&begin), "cudaEventCreate");
        check(cudaEventCreate(&end), "cudaEventCreate");
        constexpr int kLaunches = 100;
        for (int repeat = 0; repeat < 21; ++repeat) {
            check(cudaEventRecord(begin, stream), "cudaEventRecord");
            for (int i = 0; i < kLaunches; ++i) {
                check(enqueue(stream), "the launch");
            }
            check(cudaEventRecord(end, stream), "cudaEventRecord");
            check(cudaStreamSynchronize(stream), "the kernel");
            float milliseconds = 0;
            check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
            times.push_back(milliseconds * 1e3f / kLaunches);
        }
        std::sort(times.begin(), times.end());
        microseconds = times[times.size() / 2];
        cudaEventDestroy(begin);
        cudaEventDestroy(end);
    }
    if (exec != nullptr) {
        cudaGraphExecDestroy(exec);
        cudaGraphDestroy(graph);
    }
    cudaStreamDestroy(stream);
    return microseconds;
#else
    if (options.graph || options.time) {
        throw std::runtime_error("--graph and --time need a GPU");
    }
    status = enqueue(nullptr);
    return 0;
#endif
}

fmmp::CudaLevels known_levels(Bytes const& shapes, Bytes const& starts)
{
    auto const number = [](Bytes const& bytes, size_t index) {
        int32_t value;
        std::memcpy(&value, bytes.data() + 4 * index, 4);
        return value;
    };
    fmmp::CudaLevels levels;
    levels.count = int32_t(starts.size() / 4);
    for (size_t l = 0; l < starts.size() / 4; ++l) {
        levels.height[l] = number(shapes, 2 * l);
        levels.width[l] = number(shapes, 2 * l + 1);
        levels.start[l] = number(starts, l);
    }
    return levels;
}

void run_case(Header const& header, std::istream& in, std::ostream& out, Options const& options)
{
    std::vector<Bytes> content;
    for (int64_t size : header.num_bytes) {
        content.emplace_back(size_t(size), char(0xff));  // the output stays poisoned
    }
    for (size_t i = 0; i < 5; ++i) {
        in.read(content[i].data(), std::streamsize(content[i].size()));
    }
    int64_t const* d = header.dims;
    fmmp::MsDeformAttnDims const dims{d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]};
    Guarded const value(content[0], size_t(header.misalignment)), shapes(content[1], 0),
        starts(content[2], 0), locations(content[3], 0), weights(content[4], 0), output(content[5], 0);
    size_t const element = header.value_storage == int64_t(fmmp::CudaStorage::kFloat) ? 4 : 2;
    Guarded const coverage(Bytes(size_t(dims.num_rows()) * element, char(0xff)), 0);
    fmmp::CudaTensors const tensors{value.data(),
                                    static_cast<int32_t const*>(shapes.data()),
                                    static_cast<int32_t const*>(starts.data()),
                                    locations.data(),
                                    weights.data(),
                                    output.data(),
                                    header.wants_coverage ? coverage.data() : nullptr,
                                    fmmp::CudaStorage(header.value_storage),
                                    fmmp::CudaStorage(header.location_storage)};
    fmmp::CudaLevels const levels =
        header.levels_known ? known_levels(content[1], content[2]) : fmmp::CudaLevels{};
    cudaError_t status = cudaSuccess;
    double const microseconds =
        run([&](cudaStream_t stream) { return fmmp::ms_deform_attn_cuda(dims, tensors, levels, stream); },
            options, status);
    value.expect_unchanged("value");
    shapes.expect_unchanged("spatial_shapes");
    starts.expect_unchanged("level_start_index");
    locations.expect_unchanged("sampling_locations");
    weights.expect_unchanged("attention_weights");

    int64_t const code = int64_t(status);
    out.write(reinterpret_cast<char const*>(&code), sizeof code);
    out.write(reinterpret_cast<char const*>(&microseconds), sizeof microseconds);
    for (Bytes const& bytes : {output.read("output"), coverage.read("coverage")}) {
        out.write(bytes.data(), std::streamsize(bytes.size()));
    }
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        Options options;
        std::vector<std::string> files;
        for (int i = 1; i < argc; ++i) {
            std::string const argument = argv[i];
            options.graph = options.graph || argument == "--graph";
            options.time = options.time || argument == "--time";
            if (argument.rfind("--", 0) != 0) {
                files.push_back(argument);
            }
        }
        if (files.size() != 2) {
            std::fputs("usage: driver [--graph] [--time] CASES RESULTS\n", stderr);
            return 2;
        }
        std::ifstream in(files[0], std::ios::binary);
        std::ofstream out(files[1], std::ios::binary);
        Header header;
        while (in.read(reinterpret_cast<char*>(&header), sizeof header)) {
            run_case(header, in, out, options);
        }
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "driver: %s\n", error.what());
        return 1;
    }
}
