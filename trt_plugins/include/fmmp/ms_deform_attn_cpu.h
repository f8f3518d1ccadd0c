// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "fmmp/ms_deform_attn.h"

namespace fmmp {

/// Instruction sets that the loop is compiled for. All give the same numbers up to float rounding.
enum class Isa { kPortable, kAvx2, kAvx512 };

bool supports(Isa isa);  // by this build and this machine
Isa best_isa();

/// A thread pool: `run` calls task(context, i) for every i in [0, count), in any order and perhaps at the
/// same time, and returns when all are done.
struct ParallelFor {
    void (*run)(void* pool, void (*task)(void* context, size_t i), size_t count, void* context);
    void* pool;
};

ParallelFor single_thread();

/// Run the operator on checked sizes (check.h) and buffers. Throws std::bad_alloc when there is no room for
/// the scratch memory, which is 104 bytes a sample for at most 288 samples, or for one row where that has
/// more.
template <typename T, typename L>
void ms_deform_attn_cpu(MsDeformAttnTensors<T, L> const& tensors, MsDeformAttnDims const& dims,
                        ParallelFor const& parallel_for = single_thread(), Isa isa = best_isa());

}  // namespace fmmp
