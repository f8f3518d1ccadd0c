// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fmmp/softmax.h"
#include "sampling.h"

/// Projected attention: one head of one batch item at a time, a chunk of queries after the other. Locations
/// and weights are made, the taps are found and summed as for the plain operator, and the sampled vectors are
/// multiplied with the head's projection while they are still in the cache.
namespace fmmp::cpu {
namespace {

/// Locations of one row: its reference point plus the offsets, which count in cells.
inline void place_samples(Scratch const& s, float const* reference, float const* __restrict offsets,
                          int64_t row, int64_t samples)
{
    float const reference_x = reference[0], reference_y = reference[1];
    float* __restrict const locations = s.locations + 2 * row * samples;
    for (int64_t i = 0; i < samples; ++i) {
        locations[2 * i] = reference_x + offsets[2 * i] / float(s.width[i]);
        locations[2 * i + 1] = reference_y + offsets[2 * i + 1] / float(s.height[i]);
    }
}

/// Softmax of `rows` rows of logits that lie in s.weights.
inline void softmax_rows(Scratch const& s, int64_t rows, int64_t samples)
{
    float* __restrict const weights = s.weights;
    for (int64_t row = 0; row < rows; ++row) {
        float largest = weights[row * samples];
        for (int64_t i = row * samples; i < (row + 1) * samples; ++i) {
            largest = weights[i] > largest ? weights[i] : largest;
        }
        for (int64_t i = row * samples; i < (row + 1) * samples; ++i) {
            weights[i] -= largest;
        }
    }
#pragma omp simd
    for (int64_t i = 0; i < rows * samples; ++i) {
        weights[i] = exp_of_negative(weights[i]);
    }
    for (int64_t row = 0; row < rows; ++row) {
        float sum = 0.f;
        for (int64_t i = row * samples; i < (row + 1) * samples; ++i) {
            sum += weights[i];
        }
        for (int64_t i = row * samples; i < (row + 1) * samples; ++i) {
            weights[i] /= sum;
        }
    }
}

/// What the projection of a chunk needs: kernels of all sizes share it.
template <typename T>
struct Projection {
    float const* sampled;   // [rows, depth]
    float const* coverage;  // [rows]
    float const* matrix;    // [depth, columns]
    T const* bias;          // [columns]
    int64_t depth, columns;
    T* output;  // of the first row
    int64_t output_stride;
};

/// A tile of kRows rows and kRegisters * Lanes::kCount columns.
template <int kRows, int kRegisters, typename T>
inline void project_tile(Projection<T> const& p, int64_t row, int64_t column)
{
    Lanes sums[kRows][kRegisters];
    for (int i = 0; i < kRows; ++i) {
        for (int r = 0; r < kRegisters; ++r) {
            Lanes const bias = Lanes::load(p.bias + column + r * Lanes::kCount);
            sums[i][r] = Lanes::fill(0.f).plus_product(bias, Lanes::fill(p.coverage[row + i]));
        }
    }
    float const* const vectors = p.sampled + row * p.depth;
    for (int64_t k = 0; k < p.depth; ++k) {
        Lanes matrix[kRegisters];
        for (int r = 0; r < kRegisters; ++r) {
            matrix[r] = Lanes::load(p.matrix + k * p.columns + column + r * Lanes::kCount);
        }
        for (int i = 0; i < kRows; ++i) {
            Lanes const factor = Lanes::fill(vectors[i * p.depth + k]);
            for (int r = 0; r < kRegisters; ++r) {
                sums[i][r] = sums[i][r].plus_product(matrix[r], factor);
            }
        }
    }
    for (int i = 0; i < kRows; ++i) {
        for (int r = 0; r < kRegisters; ++r) {
            store(sums[i][r], p.output + (row + i) * p.output_stride + column + r * Lanes::kCount);
        }
    }
}

/// As many tiles of kRows rows as there are, then of half as many.
template <int kRows, int kRegisters, typename T>
inline void project_tiles(Projection<T> const& p, int64_t row, int64_t rows, int64_t column)
{
    for (; row + kRows <= rows; row += kRows) {
        project_tile<kRows, kRegisters>(p, row, column);
    }
    if constexpr (kRows > 1) {
        project_tiles<kRows / 2, kRegisters>(p, row, rows, column);
    }
}

template <typename T>
inline void project_rows(Projection<T> const& p, int64_t rows)
{
    int64_t column = 0;
    for (; column + 2 * Lanes::kCount <= p.columns; column += 2 * Lanes::kCount) {
        project_tiles<Lanes::kTileRows, 2>(p, 0, rows, column);
    }
    for (; column + Lanes::kCount <= p.columns; column += Lanes::kCount) {
        project_tiles<Lanes::kTileRows, 1>(p, 0, rows, column);
    }
    for (; column < p.columns; ++column) {
        for (int64_t row = 0; row < rows; ++row) {
            float sum = p.coverage[row] * to_float(p.bias[column]);
            for (int64_t k = 0; k < p.depth; ++k) {
                sum += p.sampled[row * p.depth + k] * p.matrix[k * p.columns + column];
            }
            p.output[row * p.output_stride + column] = Storage<T>::from_float(sum);
        }
    }
}

/// All queries of head m of batch item b.
template <typename T>
void run_head(ProjectedAttnTensors<T> const& t, ProjectedAttnDims const& d, ProjectedScratch const& scratch,
              int64_t b, int64_t m)
{
    Scratch const& s = scratch.sampling;
    MsDeformAttnDims const& at = d.sampling;
    int64_t const samples = at.num_samples(), depth = at.head_dim, columns = d.output_dim;
    int64_t const reference = m * d.num_references / at.num_heads;
    float const* const matrix =
        as_floats(t.projection + m * depth * columns, depth * columns, scratch.projection);
    for (int64_t first = 0; first < at.num_queries; first += s.rows_per_chunk) {
        int64_t const left = at.num_queries - first;
        int64_t const rows = s.rows_per_chunk < left ? s.rows_per_chunk : left;
        for (int64_t row = 0; row < rows; ++row) {
            int64_t const query = b * at.num_queries + first + row;
            int64_t const sample = at.row(b, first + row, m) * samples;
            place_samples(s, t.reference_points + 2 * (query * d.num_references + reference),
                          t.sampling_offsets + 2 * sample, row, samples);
            std::memcpy(s.weights + row * samples, t.attention_logits + sample,
                        size_t(samples) * sizeof(float));
        }
        softmax_rows(s, rows, samples);
        find_taps(s, s.locations, s.weights, rows * samples);
        int64_t const start = at.value_offset(b, 0);
        list_taps(s, rows, samples, at.cell_stride(), [=](int64_t) { return start; });
        sum_rows(t.value, s, rows, depth, scratch.sampled);
        cover_rows(s, rows, scratch.coverage);
        project_rows(
            Projection<T>{scratch.sampled, scratch.coverage, matrix, t.projection_bias + m * columns, depth,
                          columns, t.output + at.row(b, first, m) * columns, at.num_heads * columns},
            rows);
    }
}

}  // namespace
}  // namespace fmmp::cpu
