// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "harness.h"
#include "reference.h"

using fmmp::bilinear_taps;
using fmmp::Taps;
using test::expect;

TEST(formula_equals_reference)
{
    for (test::Case const& one : test::cases()) {
        test::Call<float, float> call(one);
        test::Expected const expected = reference(call);
        fmmp::MsDeformAttnDims const& d = call.dims;
        auto const t = call.tensors();
        for (int64_t row = 0; row < d.num_rows(); ++row) {
            int64_t const m = row % d.num_heads, q = row / d.num_heads % d.num_queries;
            int64_t const b = row / d.num_heads / d.num_queries;
            for (int64_t c = 0; c < d.head_dim; ++c) {
                float const found = ms_deform_attn_at(t, d, b, q, m, c);
                test::expect_near(double(found), expected.output[size_t(row * d.head_dim + c)], 1e-6,
                                  one.name);
            }
            float const found = coverage_at(t, d, b, q, m);
            test::expect_near(double(found), expected.coverage[size_t(row)], 1e-6, one.name + ", coverage");
        }
    }
}

TEST(taps_of_a_cell_centre_read_that_cell)
{
    Taps const taps = bilinear_taps(3.5f / 8, 1.5f / 4, 4, 8);  // row 1, column 3
    expect(taps.cell[0] == 11 && taps.weight[0] == 1.f, "the cell itself counts 1");
    expect(taps.weight[1] == 0.f && taps.weight[2] == 0.f && taps.weight[3] == 0.f, "its neighbours count 0");
}

TEST(taps_stay_in_the_map_and_count_nothing_outside)
{
    float const infinity = std::numeric_limits<float>::infinity();
    float const far[] = {NAN,   infinity, -infinity, 1e30f, -1e30f, 3.4e38f,       -3.4e38f,     3e9f,
                         -3e9f, 2.f,      -1.f,      1e10f, 0.5f,   0x1.fffffep0f, -0x1.0p-126f, 1e-45f};
    test::Size const sizes[] = {{1, 1}, {3, 5}, {1, 2147483647}, {2147483647, 1}, {46340, 46340}};
    for (test::Size size : sizes) {
        int64_t const cells = int64_t(size.height) * size.width;
        for (float x : far) {
            for (float y : far) {
                Taps const taps = bilinear_taps(x, y, size.height, size.width);
                bool const near = x >= -0.5f && x <= 1.5f && y >= -0.5f && y <= 1.5f;
                for (int k = 0; k < 4; ++k) {
                    expect(taps.cell[k] >= 0 && taps.cell[k] < cells, "a tap lies in the map");
                    expect(taps.weight[k] >= 0.f && taps.weight[k] <= 1.f, "a weight lies in [0, 1]");
                    expect(near || taps.weight[k] == 0.f, "a far tap counts nothing");
                }
            }
        }
    }
}

TEST(taps_at_the_border_lose_what_lies_outside)
{
    Taps const corner =
        bilinear_taps(0.f, 0.f, 3, 5);  // half a cell outside of the first one's centre, both ways
    expect(corner.weight[3] == 0.25f && corner.cell[3] == 0, "a quarter of the corner cell");
    expect(corner.weight[0] + corner.weight[1] + corner.weight[2] == 0.f, "and nothing else");
    Taps const last = bilinear_taps(1.f, 1.f, 3, 5);
    expect(last.weight[0] == 0.25f && last.cell[0] == 14, "a quarter of the last cell");
    expect(last.weight[1] + last.weight[2] + last.weight[3] == 0.f, "and nothing else");
}
