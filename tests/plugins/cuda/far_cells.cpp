// SPDX-License-Identifier: Apache-2.0
/// Values of more than 2^31 and 2^32 elements, on the CPU through standin/: memory is reserved, and only the
/// few cells that are read exist. A 32-bit index anywhere would miss them, or leave the mapping.
#include <cuda_runtime.h>
#include <sys/mman.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <vector>

#include "cuda/ms_deform_attn.h"
#include "fmmp/storage.h"

namespace {

using fmmp::CudaStorage;
using fmmp::Half;

/// Every level is one row of cells, all but the first of 8. Each query reads the last cell of the last level;
/// true when all its channels arrive in the last batch item.
bool last_cell_is_found(fmmp::MsDeformAttnDims const& d, char const* what)
{
    size_t const elements = size_t(d.batch * d.num_cells * d.cell_stride());
    void* const memory = mmap(nullptr, elements * sizeof(Half), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        std::printf("skipped: %s needs %zu GiB of address space\n", what, elements * sizeof(Half) >> 30);
        return true;
    }
    Half* const value = static_cast<Half*>(memory);
    Half* const last = value + elements - size_t(d.cell_stride());
    for (int64_t i = 0; i < d.cell_stride(); ++i) {
        last[i] = fmmp::Storage<Half>::from_float(float(i % 1000 + 1));
    }

    std::vector<int32_t> shapes, starts;
    int32_t const small = 8;
    int64_t start = 0;
    for (int64_t l = 0; l < d.num_levels; ++l) {
        bool const first = l == 0;
        int64_t const width = first ? d.num_cells - (d.num_levels - 1) * small : small;
        shapes.insert(shapes.end(), {1, int32_t(width)});
        starts.push_back(int32_t(start));
        start += width;
    }
    size_t const samples = size_t(d.num_rows() * d.num_samples());
    std::vector<float> locations(2 * samples, std::numeric_limits<float>::quiet_NaN());
    std::vector<float> weights(samples, 1.f);
    for (size_t row = 0; row < size_t(d.num_rows()); ++row) {
        size_t const sample = (row + 1) * size_t(d.num_samples()) - 1;
        locations[2 * sample] = (float(small) - 0.5f) / float(small);
        locations[2 * sample + 1] = 0.5f;
    }
    std::vector<Half> output(size_t(d.num_rows() * d.head_dim));
    fmmp::CudaTensors const tensors{
        value,         shapes.data(), starts.data(),      locations.data(),   weights.data(),
        output.data(), nullptr,       CudaStorage::kHalf, CudaStorage::kFloat};
    cudaError_t const status = fmmp::ms_deform_attn_cuda(d, tensors, {}, nullptr);
    bool right = status == cudaSuccess;
    for (int64_t i = 0; i < d.num_heads * d.head_dim; ++i) {
        int64_t const row = d.row(d.batch - 1, d.num_queries - 1, 0);
        int64_t const channel = d.num_value_heads == 1 ? i % d.head_dim : i;
        right = right && output[size_t(row * d.head_dim + i)].bits == last[channel].bits;
    }
    std::printf("%s: %s\n", what, right ? "found" : "NOT FOUND");
    munmap(memory, elements * sizeof(Half));
    return right;
}

}  // namespace

int main()
{
    // batch, cells, value heads, channels, queries, heads, levels, points
    bool const good =
        last_cell_is_found({3, 1 << 20, 64, 32, 1, 64, 3, 4}, "3 * 2^31 elements, grouped kernel") &&
        last_cell_is_found({1, 1 << 26, 64, 32, 1, 64, 3, 4}, "2^37 elements in one item") &&
        last_cell_is_found({2, 1 << 24, 1, 256, 1, 8, 2, 2}, "2 * 2^32 elements, shared value") &&
        last_cell_is_found({2, 1 << 28, 3, 5, 1, 3, 2, 1}, "2^33 elements, one at a time");
    return good ? 0 : 1;
}
