// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "fmmp/ms_deform_attn_cpu.h"

/// What passes between cpu_dispatch.cpp and the loop of one instruction set. Nothing in here may be compiled
/// out of line: the loops are built with other compiler flags than the code that calls them.
namespace fmmp::cpu {

/// Working memory of one task. The three tables describe the samples of `rows_per_chunk` rows; since a row
/// has the same levels as every other, they are filled once.
struct Scratch {
    int64_t rows_per_chunk;
    // tables, one entry per sample of a chunk
    int32_t* width;
    int32_t* height;
    int32_t* start;  // first cell of the level
    // one entry per sample of a chunk
    float* locations;  // two per sample
    float* weights;
    int32_t* cell[4];  // of the whole map, no longer of the level
    float* tap_weight[4];
    // the taps that count, row after row: where the cell lies in
    // value, and how much of it is read
    int64_t* list_offset;
    float* list_weight;
    int64_t* row_end;  // one entry per row of a chunk: past its last tap
};

/// Work out rows [begin, end) of the output.
template <typename T, typename L>
using RowsFunction = void (*)(MsDeformAttnTensors<T, L> const& tensors, MsDeformAttnDims const& dims,
                              Scratch const& scratch, int64_t begin, int64_t end);

/// The loop compiled for one instruction set, or null where this build has none. Name is empty: an overload
/// tag.
template <Isa isa, typename T, typename L>
RowsFunction<T, L> rows_function();

}  // namespace fmmp::cpu
