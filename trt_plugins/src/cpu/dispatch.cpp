// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <memory>
#include <new>

#include "scratch.h"

namespace fmmp {
namespace {

constexpr int64_t kMaxTasks = 256;  // enough for any pool to share evenly

void run_in_turn(void*, void (*task)(void*, size_t), size_t count, void* context)
{
    for (size_t i = 0; i < count; ++i) {
        task(context, i);
    }
}

/// One call, cut into tasks; `run` must not throw into somebody else's thread pool.
struct Job {
    std::atomic<bool> out_of_memory{false};

    template <typename Work>
    void share(ParallelFor const& parallel_for, int64_t tasks, Work const& work)
    {
        struct Context {
            Job& job;
            Work const& work;
        } context{*this, work};
        auto const run = [](void* pointer, size_t i) {
            auto const& self = *static_cast<Context const*>(pointer);
            try {
                self.work(int64_t(i));
            } catch (std::bad_alloc const&) {
                self.job.out_of_memory = true;
            }
        };
        parallel_for.run(parallel_for.pool, run, size_t(tasks), &context);
        if (out_of_memory) {
            throw std::bad_alloc();
        }
    }
};

template <typename T, typename L>
cpu::Loops<T, L> loops(Isa isa)
{
#if defined(FMMP_X86_LOOPS)
    if (isa == Isa::kAvx512) {
        return cpu::loops<Isa::kAvx512, T, L>();
    }
    if (isa == Isa::kAvx2) {
        return cpu::loops<Isa::kAvx2, T, L>();
    }
#endif
    static_cast<void>(isa);
    return cpu::loops<Isa::kPortable, T, L>();
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
    int64_t const rows_per_chunk = cpu::rows_per_chunk(dims, dims.num_rows());
    int64_t const chunks = divide_up(dims.num_rows(), rows_per_chunk);
    int64_t const rows_per_task = rows_per_chunk * divide_up(chunks, kMaxTasks);
    auto const loop = loops<T, L>(isa).rows;
    Job().share(parallel_for, divide_up(dims.num_rows(), rows_per_task), [&](int64_t task) {
        cpu::ScratchMemory const scratch(dims, tensors.spatial_shapes, tensors.level_start_index,
                                         rows_per_chunk);
        loop(tensors, dims, scratch.get(), task * rows_per_task,
             std::min((task + 1) * rows_per_task, dims.num_rows()));
    });
}

template <typename T>
void projected_attn_cpu(ProjectedAttnTensors<T> const& tensors, ProjectedAttnDims const& dims,
                        ParallelFor const& parallel_for, Isa isa)
{
    MsDeformAttnDims const& d = dims.sampling;
    if (d.num_rows() == 0) {
        return;
    }
    int64_t const rows_per_chunk = cpu::rows_per_chunk(d, d.num_queries);
    size_t const sampled = size_t(rows_per_chunk * d.head_dim),
                 projection = size_t(d.head_dim * dims.output_dim);
    auto const loop = loops<T, float>(isa).head;
    Job().share(parallel_for, d.batch * d.num_heads, [&](int64_t task) {
        cpu::ScratchMemory const sampling(d, tensors.spatial_shapes, tensors.level_start_index,
                                          rows_per_chunk);
        std::unique_ptr<float[]> const floats(new float[sampled + size_t(rows_per_chunk) + projection]);
        loop(tensors, dims,
             {sampling.get(), floats.get(), floats.get() + sampled, floats.get() + sampled + rows_per_chunk},
             task / d.num_heads, task % d.num_heads);
    });
}

template void ms_deform_attn_cpu(MsDeformAttnTensors<float, float> const&, MsDeformAttnDims const&,
                                 ParallelFor const&, Isa);
template void ms_deform_attn_cpu(MsDeformAttnTensors<Half, float> const&, MsDeformAttnDims const&,
                                 ParallelFor const&, Isa);
template void ms_deform_attn_cpu(MsDeformAttnTensors<Half, Half> const&, MsDeformAttnDims const&,
                                 ParallelFor const&, Isa);
template void ms_deform_attn_cpu(MsDeformAttnTensors<BFloat16, float> const&, MsDeformAttnDims const&,
                                 ParallelFor const&, Isa);

template void projected_attn_cpu(ProjectedAttnTensors<float> const&, ProjectedAttnDims const&,
                                 ParallelFor const&, Isa);
template void projected_attn_cpu(ProjectedAttnTensors<Half> const&, ProjectedAttnDims const&,
                                 ParallelFor const&, Isa);
template void projected_attn_cpu(ProjectedAttnTensors<BFloat16> const&, ProjectedAttnDims const&,
                                 ParallelFor const&, Isa);

}  // namespace fmmp
