// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "fmmp/projected_attn_cpu.h"
#include "guarded.h"

/// One call of the operator in float64, written down as sums over all cells of a map: no floor, no corner,
/// nothing in common with the header.
namespace test {

struct Size {
    int32_t height, width;
};

struct Case {
    std::string name;
    std::vector<Size> levels;
    int64_t batch, queries, heads, points, head_dim;
    bool shared = false;  // one value for all heads

    int64_t cells() const
    {
        int64_t sum = 0;
        for (Size level : levels) {
            sum += int64_t(level.height) * level.width;
        }
        return sum;
    }
    fmmp::MsDeformAttnDims dims() const
    {
        return {batch, cells(), shared ? 1 : heads, head_dim, queries, heads, int64_t(levels.size()), points};
    }
};

/// Buffers of one call, each between forbidden pages; every number is rounded to its storage type.
template <typename T, typename L>
struct Call {
    explicit Call(Case const& c, Against against = Against::kEnd)
        : dims(c.dims()),
          value(size_t(dims.batch * dims.num_cells * dims.cell_stride()), against),
          spatial_shapes(2 * c.levels.size(), against),
          level_start_index(c.levels.size(), against),
          locations(size_t(2 * dims.num_rows() * dims.num_samples()), against),
          weights(size_t(dims.num_rows() * dims.num_samples()), against),
          output(size_t(dims.num_rows() * dims.head_dim), against),
          coverage(size_t(dims.num_rows()), against)
    {
        std::mt19937 random(7);
        std::uniform_real_distribution<float> symmetric(-1.f, 1.f), around(-0.2f, 1.2f), positive(0.01f, 1.f);
        fill(value, [&] { return symmetric(random); });
        fill(locations, [&] { return around(random); });
        fill(weights, [&] { return positive(random) / float(dims.num_samples()); });
        fill(output, [] { return NAN; });  // what is left of it was not written
        fill(coverage, [] { return NAN; });
        int32_t start = 0;
        for (size_t l = 0; l < c.levels.size(); ++l) {
            spatial_shapes[2 * l] = c.levels[l].height;
            spatial_shapes[2 * l + 1] = c.levels[l].width;
            level_start_index[l] = start;
            start += c.levels[l].height * c.levels[l].width;
        }
    }

    fmmp::MsDeformAttnTensors<T, L> tensors(bool with_coverage = true)
    {
        return {value.data(),
                spatial_shapes.data(),
                level_start_index.data(),
                locations.data(),
                weights.data(),
                output.data(),
                with_coverage ? coverage.data() : nullptr};
    }

    template <typename S, typename Draw>
    static void fill(Guarded<S>& buffer, Draw const& draw)
    {
        for (size_t i = 0; i < buffer.size(); ++i) {
            buffer[i] = fmmp::Storage<S>::from_float(draw());
        }
    }

    fmmp::MsDeformAttnDims dims;
    Guarded<T> value;
    Guarded<int32_t> spatial_shapes, level_start_index;
    Guarded<L> locations, weights;
    Guarded<T> output, coverage;
};

/// How much of each of `size` cells is read at `location`: a hat over the cell's centre, one cell wide to
/// each side.
inline std::vector<double> hats(double location, int32_t size)
{
    std::vector<double> shares(static_cast<size_t>(size), 0.0);
    for (int32_t i = 0; std::isfinite(location) && i < size; ++i) {
        shares[size_t(i)] = std::max(0.0, 1.0 - std::fabs(location * size - (i + 0.5)));
    }
    return shares;
}

struct Expected {
    std::vector<double> output, coverage;
};

template <typename T, typename L>
Expected reference(Call<T, L> const& call)
{
    fmmp::MsDeformAttnDims const& d = call.dims;
    Expected expected{std::vector<double>(call.output.size()), std::vector<double>(call.coverage.size())};
    size_t sample = 0;
    for (int64_t row = 0; row < d.num_rows(); ++row) {
        int64_t const b = row / (d.num_queries * d.num_heads),
                      head = d.num_value_heads == 1 ? 0 : row % d.num_heads;
        for (int64_t l = 0; l < d.num_levels; ++l) {
            int32_t const height = call.spatial_shapes[size_t(2 * l)],
                          width = call.spatial_shapes[size_t(2 * l + 1)];
            for (int64_t p = 0; p < d.num_points; ++p, ++sample) {
                std::vector<double> const x = hats(double(fmmp::to_float(call.locations[2 * sample])), width);
                std::vector<double> const y =
                    hats(double(fmmp::to_float(call.locations[2 * sample + 1])), height);
                double const weight = double(fmmp::to_float(call.weights[sample]));
                for (int32_t i = 0; i < height * width; ++i) {
                    double const share = y[size_t(i / width)] * x[size_t(i % width)];
                    if (share == 0) {
                        continue;
                    }
                    expected.coverage[size_t(row)] += weight * share;
                    int64_t const cell = b * d.num_cells + call.level_start_index[size_t(l)] + i;
                    for (int64_t c = 0; c < d.head_dim; ++c) {
                        size_t const at = size_t((cell * d.num_value_heads + head) * d.head_dim + c);
                        expected.output[size_t(row * d.head_dim + c)] +=
                            weight * share * double(fmmp::to_float(call.value[at]));
                    }
                }
            }
        }
    }
    return expected;
}

/// Absolute tolerance for |value| <= 1 and weights that sum to at most 1. float: unit roundoff 2^-24,
/// coordinates up to 32 cells and 48 terms; the largest seen is 4e-7. The others round the result to their
/// own last place, below 1.
template <typename T>
double tolerance();
template <>
inline double tolerance<float>()
{
    return 1e-6;
}
template <>
inline double tolerance<fmmp::Half>()
{
    return 1e-6 + std::ldexp(1.0, -12);
}
template <>
inline double tolerance<fmmp::BFloat16>()
{
    return 1e-6 + std::ldexp(1.0, -9);
}

inline std::vector<Case> const& cases()
{
    static std::vector<Case> const all{
        // name, levels, batch, queries, heads, points, channels of a head
        {"the network's levels", {{32, 32}, {16, 16}, {8, 8}}, 1, 5, 8, 4, 32},
        {"packed heads", {{16, 16}, {8, 8}}, 2, 3, 64, 4, 32},
        {"height != width", {{5, 3}, {2, 7}}, 2, 4, 3, 2, 5},  // catches a swapped x, y
        {"single cell", {{1, 1}}, 1, 3, 2, 1, 1},              // three of four neighbours lie outside
        {"single cells", {{1, 1}, {1, 1}, {1, 1}}, 1, 7, 2, 3, 16},
        {"one row, one column", {{1, 9}, {9, 1}}, 1, 6, 2, 5, 24},
        {"many points", {{4, 6}}, 1, 2, 2, 300, 8},         // more samples a row than a chunk holds
        {"63 channels", {{6, 4}, {3, 3}}, 1, 3, 2, 4, 63},  // every block size, and a rest
        {"300 channels", {{6, 4}}, 1, 2, 1, 2, 300},
        {"shared, 256 channels", {{32, 32}, {16, 16}, {8, 8}}, 1, 3, 8, 4, 256, true},
        {"shared, 7 channels", {{5, 3}, {2, 7}}, 3, 4, 5, 2, 7, true},
    };
    return all;
}

}  // namespace test
