// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel.h"
#include "lanes.h"

/// The plain operator's CPU loop, compiled once for every instruction set. Rows of the output (one query and
/// head each) go through three steps, a chunk of rows at a time: the taps of all its samples, side by side in
/// registers; then for each row the list of the taps that count; then the weighted sum of the cells on that
/// list, a block of channels at a time.
namespace fmmp::cpu {
namespace {

/// Taps of `count` samples. `bilinear_taps` has no branch, so that the compiler turns this loop into vector
/// code.
inline void find_taps(Scratch const& s, float const* __restrict locations, float const* __restrict weights,
                      int64_t count)
{
    int32_t const* __restrict const width = s.width;
    int32_t const* __restrict const height = s.height;
    int32_t const* __restrict const start = s.start;
    int32_t* __restrict const c0 = s.cell[0];
    int32_t* __restrict const c1 = s.cell[1];
    int32_t* __restrict const c2 = s.cell[2];
    int32_t* __restrict const c3 = s.cell[3];
    float* __restrict const w0 = s.tap_weight[0];
    float* __restrict const w1 = s.tap_weight[1];
    float* __restrict const w2 = s.tap_weight[2];
    float* __restrict const w3 = s.tap_weight[3];
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
        Taps const taps = bilinear_taps(locations[2 * i], locations[2 * i + 1], height[i], width[i]);
        float const weight = weights[i];
        c0[i] = start[i] + taps.cell[0];
        c1[i] = start[i] + taps.cell[1];
        c2[i] = start[i] + taps.cell[2];
        c3[i] = start[i] + taps.cell[3];
        w0[i] = taps.weight[0] != 0.f ? weight * taps.weight[0] : 0.f;
        w1[i] = taps.weight[1] != 0.f ? weight * taps.weight[1] : 0.f;
        w2[i] = taps.weight[2] != 0.f ? weight * taps.weight[2] : 0.f;
        w3[i] = taps.weight[3] != 0.f ? weight * taps.weight[3] : 0.f;
    }
}

/// List the taps of the first `rows` rows whose weight is not 0; `start(row)` is where the row's map begins
/// in value. No branch: whether a tap counts is as good as random at the border of a map.
template <typename Start>
inline void list_taps(Scratch const& s, int64_t rows, int64_t samples, int64_t cell_stride,
                      Start const& start)
{
    int64_t used = 0;
    for (int64_t row = 0; row < rows; ++row) {
        int64_t const map = start(row);
        for (int64_t i = row * samples; i < (row + 1) * samples; ++i) {
            for (int k = 0; k < 4; ++k) {
                s.list_offset[used] = map + s.cell[k][i] * cell_stride;
                s.list_weight[used] = s.tap_weight[k][i];
                used += s.tap_weight[k][i] != 0.f;
            }
        }
        s.row_end[row] = used;
    }
}

/// Where a row's taps begin on the list.
inline int64_t row_begin(Scratch const& s, int64_t row)
{
    return row == 0 ? 0 : s.row_end[row - 1];
}

/// Sum over the listed taps of a row of what `term(offset, weight)` makes of each.
template <typename Term>
FMMP_INLINE float sum_taps(Scratch const& s, int64_t row, Term const& term)
{
    float sum = 0.f;
    for (int64_t t = row_begin(s, row); t < s.row_end[row]; ++t) {
        sum += term(s.list_offset[t], s.list_weight[t]);
    }
    return sum;
}

/// Weighted sum over the listed taps [begin, end) of kRegisters * Lanes::kCount channels. Short blocks take
/// turns between several sums, so that the next addition does not wait for the last one.
template <int kRegisters, typename T, typename O>
inline void sum_block(T const* value, Scratch const& s, int64_t begin, int64_t end, O* output)
{
    constexpr int kTurns = kRegisters >= 4 ? 1 : 4 / kRegisters;
    Lanes sums[kTurns][kRegisters];
    for (int turn = 0; turn < kTurns; ++turn) {
        for (int r = 0; r < kRegisters; ++r) {
            sums[turn][r] = Lanes::fill(0.f);
        }
    }
    auto const add_tap = [&](Lanes* sum, int64_t t) __attribute__((always_inline)) {
        T const* const cell = value + s.list_offset[t];
        Lanes const weight = Lanes::fill(s.list_weight[t]);
        for (int r = 0; r < kRegisters; ++r) {
            sum[r] = sum[r].plus_product(Lanes::load(cell + r * Lanes::kCount), weight);
        }
    };
    int64_t t = begin;
    for (; t + kTurns <= end; t += kTurns) {
        for (int turn = 0; turn < kTurns; ++turn) {
            add_tap(sums[turn], t + turn);
        }
    }
    for (; t < end; ++t) {
        add_tap(sums[0], t);
    }
#pragma GCC unroll 16  // or the sums go through memory
    for (int r = 0; r < kRegisters; ++r) {
        for (int turn = 1; turn < kTurns; ++turn) {
            sums[0][r] = sums[0][r].plus_product(sums[turn][r], Lanes::fill(1.f));
        }
        store(sums[0][r], output + r * Lanes::kCount);
    }
}

/// All rows of a chunk, as many blocks of kRegisters registers as fit in the channels left; then of half as
/// many. `value` and `output` are those of the chunk's first row; `channel` counts the channels done.
template <int kRegisters, typename T, typename O>
inline void sum_blocks(T const* value, Scratch const& s, int64_t rows, int64_t head_dim, O* output,
                       int64_t& channel)
{
    for (; channel + kRegisters * Lanes::kCount <= head_dim; channel += kRegisters * Lanes::kCount) {
        for (int64_t row = 0; row < rows; ++row) {
            sum_block<kRegisters>(value + channel, s, row_begin(s, row), s.row_end[row],
                                  output + row * head_dim + channel);
        }
    }
    if constexpr (kRegisters > 1) {
        sum_blocks<kRegisters / 2>(value, s, rows, head_dim, output, channel);
    }
}

template <typename T, typename O>
inline void sum_rows(T const* value, Scratch const& s, int64_t rows, int64_t head_dim, O* output)
{
    int64_t channel = 0;
    sum_blocks<Lanes::kRegisters>(value, s, rows, head_dim, output, channel);
    for (; channel < head_dim; ++channel) {  // fewer than Lanes::kCount are left
        for (int64_t row = 0; row < rows; ++row) {
            float const sum = sum_taps(s, row, [&](int64_t offset, float weight) {
                return weight * to_float(value[offset + channel]);
            });
            output[row * head_dim + channel] = Storage<O>::from_float(sum);
        }
    }
}

template <typename T>
inline void cover_rows(Scratch const& s, int64_t rows, T* coverage)
{
    for (int64_t row = 0; row < rows; ++row) {
        float const sum = sum_taps(s, row, [](int64_t, float weight) { return weight; });
        coverage[row] = Storage<T>::from_float(sum);
    }
}

inline float const* as_floats(float const* values, int64_t, float*)
{
    return values;
}

template <typename T>
inline float const* as_floats(T const* values, int64_t count, float* buffer)
{
    int64_t i = 0;
    for (; i + Lanes::kCount <= count; i += Lanes::kCount) {
        Lanes::load(values + i).store(buffer + i);
    }
    for (; i < count; ++i) {
        buffer[i] = to_float(values[i]);
    }
    return buffer;
}

template <typename T, typename L>
void run_rows(MsDeformAttnTensors<T, L> const& tensors, MsDeformAttnDims const& d, Scratch const& s,
              int64_t begin, int64_t end)
{
    int64_t const samples = d.num_samples();
    for (int64_t first = begin; first < end; first += s.rows_per_chunk) {
        int64_t const rows = first + s.rows_per_chunk < end ? s.rows_per_chunk : end - first;
        find_taps(
            s, as_floats(tensors.sampling_locations + 2 * first * samples, 2 * rows * samples, s.locations),
            as_floats(tensors.attention_weights + first * samples, rows * samples, s.weights),
            rows * samples);
        list_taps(s, rows, samples, d.cell_stride(), [&](int64_t row) {
            int64_t const m = (first + row) % d.num_heads;
            return d.value_offset((first + row) / (d.num_heads * d.num_queries), m);
        });
        sum_rows(tensors.value, s, rows, d.head_dim, tensors.output + first * d.head_dim);
        if (tensors.coverage) {
            cover_rows(s, rows, tensors.coverage + first);
        }
    }
}

}  // namespace
}  // namespace fmmp::cpu
