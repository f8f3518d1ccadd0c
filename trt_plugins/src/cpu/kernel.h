// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "fmmp/projected_attn_cpu.h"

/// What passes between the dispatchers and the loops of one instruction set. Nothing in here may be compiled
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
    // the taps that count, row after row: where the cell lies in value, and how much of it is read
    int64_t* list_offset;
    float* list_weight;
    int64_t* row_end;  // one entry per row of a chunk: past its last tap
};

/// Working memory of one task of projected attention.
struct ProjectedScratch {
    Scratch sampling;
    float* sampled;     // [rows_per_chunk, C]
    float* coverage;    // [rows_per_chunk]
    float* projection;  // [C, D], unless it is stored as float already
};

/// The loops compiled for one instruction set, value stored as T.
template <typename T, typename L>
struct Loops {
    /// Rows [begin, end) of the output.
    void (*rows)(MsDeformAttnTensors<T, L> const& tensors, MsDeformAttnDims const& dims,
                 Scratch const& scratch, int64_t begin, int64_t end);
    /// All queries of one head of one batch item.
    void (*head)(ProjectedAttnTensors<T> const& tensors, ProjectedAttnDims const& dims,
                 ProjectedScratch const& scratch, int64_t b, int64_t m);
};

template <Isa isa, typename T, typename L>
Loops<T, L> loops();

}  // namespace fmmp::cpu
