// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <utility>

#include "cpu_kernel.h"

namespace fmmp {
namespace {

constexpr int64_t kSamplesPerChunk = 256;  // 16 kB of scratch memory: stays in the first-level cache
constexpr int64_t kMaxTasks = 256;         // enough for any pool to share evenly

void run_in_turn(void*, void (*task)(void*, size_t), size_t count, void* context)
{
    for (size_t i = 0; i < count; ++i) {
        task(context, i);
    }
}

/// The memory behind a Scratch, with its tables filled.
class ScratchMemory {
public:
    ScratchMemory(MsDeformAttnDims const& d, int32_t const* spatial_shapes, int32_t const* level_start_index,
                  int64_t rows_per_chunk)
        : size_(size_t(rows_per_chunk * d.num_samples())),
          offsets_(new int64_t[4 * size_ + size_t(rows_per_chunk)]),
          ints_(new int32_t[7 * size_]),
          floats_(new float[11 * size_])
    {
        int32_t* ints = ints_.get();
        float* floats = floats_.get();
        scratch_.rows_per_chunk = rows_per_chunk;
        for (int32_t** table : {&scratch_.width, &scratch_.height, &scratch_.start}) {
            *table = std::exchange(ints, ints + size_);
        }
        for (int k = 0; k < 4; ++k) {
            scratch_.cell[k] = std::exchange(ints, ints + size_);
            scratch_.tap_weight[k] = std::exchange(floats, floats + size_);
        }
        scratch_.weights = std::exchange(floats, floats + size_);
        scratch_.locations = std::exchange(floats, floats + 2 * size_);
        scratch_.list_offset = offsets_.get();
        scratch_.row_end = offsets_.get() + 4 * size_;
        scratch_.list_weight = floats;

        int32_t *width = scratch_.width, *height = scratch_.height, *start = scratch_.start;
        for (int64_t row = 0; row < rows_per_chunk; ++row) {
            for (int64_t l = 0; l < d.num_levels; ++l) {
                height = std::fill_n(height, d.num_points, spatial_shapes[2 * l]);
                width = std::fill_n(width, d.num_points, spatial_shapes[2 * l + 1]);
                start = std::fill_n(start, d.num_points, level_start_index[l]);
            }
        }
    }

    cpu::Scratch const& get() const { return scratch_; }

private:
    size_t size_;
    std::unique_ptr<int64_t[]> offsets_;
    std::unique_ptr<int32_t[]> ints_;
    std::unique_ptr<float[]> floats_;
    cpu::Scratch scratch_;
};

template <typename T, typename L>
struct Job {
    MsDeformAttnTensors<T, L> const& tensors;
    MsDeformAttnDims const& dims;
    cpu::RowsFunction<T, L> rows;
    int64_t rows_per_chunk, chunks_per_task;
    std::atomic<bool> out_of_memory{false};

    void run(int64_t task)
    {
        try {
            int64_t const rows_per_task = rows_per_chunk * chunks_per_task;
            ScratchMemory const scratch(dims, tensors.spatial_shapes, tensors.level_start_index,
                                        rows_per_chunk);
            rows(tensors, dims, scratch.get(), task * rows_per_task,
                 std::min((task + 1) * rows_per_task, dims.num_rows()));
        } catch (std::bad_alloc const&) {  // must not unwind into somebody else's thread pool
            out_of_memory = true;
        }
    }
};

template <typename T, typename L>
cpu::RowsFunction<T, L> rows_function(Isa isa)
{
#if defined(FMMP_X86_LOOPS)
    if (isa == Isa::kAvx512) {
        return cpu::rows_function<Isa::kAvx512, T, L>();
    }
    if (isa == Isa::kAvx2) {
        return cpu::rows_function<Isa::kAvx2, T, L>();
    }
#endif
    static_cast<void>(isa);
    return cpu::rows_function<Isa::kPortable, T, L>();
}

int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

}  // namespace

bool supports(Isa isa)
{
#if defined(FMMP_X86_LOOPS)
    if (isa == Isa::kAvx512) {
        return supports(Isa::kAvx2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    }
    if (isa == Isa::kAvx2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("f16c");
    }
#endif
    return isa == Isa::kPortable;
}

Isa best_isa()
{
    static Isa const best = supports(Isa::kAvx512) ? Isa::kAvx512
                            : supports(Isa::kAvx2) ? Isa::kAvx2
                                                   : Isa::kPortable;
    return best;
}

ParallelFor single_thread()
{
    return {run_in_turn, nullptr};
}

template <typename T, typename L>
void ms_deform_attn_cpu(MsDeformAttnTensors<T, L> const& tensors, MsDeformAttnDims const& dims,
                        ParallelFor const& parallel_for, Isa isa)
{
    if (dims.num_rows() == 0) {
        return;
    }
    int64_t const rows_per_chunk =
        std::clamp<int64_t>(kSamplesPerChunk / dims.num_samples(), 1, dims.num_rows());
    int64_t const chunks = divide_up(dims.num_rows(), rows_per_chunk);
    int64_t const chunks_per_task = divide_up(chunks, kMaxTasks);
    Job<T, L> job{tensors, dims, rows_function<T, L>(isa), rows_per_chunk, chunks_per_task};
    parallel_for.run(
        parallel_for.pool, [](void* context, size_t i) { static_cast<Job<T, L>*>(context)->run(int64_t(i)); },
        size_t(divide_up(chunks, chunks_per_task)), &job);
    if (job.out_of_memory) {
        throw std::bad_alloc();
    }
}

template void ms_deform_attn_cpu(MsDeformAttnTensors<float, float> const&, MsDeformAttnDims const&,
                                 ParallelFor const&, Isa);
template void ms_deform_attn_cpu(MsDeformAttnTensors<Half, float> const&, MsDeformAttnDims const&,
                                 ParallelFor const&, Isa);
template void ms_deform_attn_cpu(MsDeformAttnTensors<Half, Half> const&, MsDeformAttnDims const&,
                                 ParallelFor const&, Isa);
template void ms_deform_attn_cpu(MsDeformAttnTensors<BFloat16, float> const&, MsDeformAttnDims const&,
                                 ParallelFor const&, Isa);

}  // namespace fmmp
