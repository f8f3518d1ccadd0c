// SPDX-License-Identifier: Apache-2.0
#include "fmmp/softmax.h"
#include "harness.h"
#include "reference.h"

using fmmp::BFloat16;
using fmmp::Half;
using fmmp::Isa;
using fmmp::ProjectedAttnDims;

namespace {

struct ProjectedCase {
    test::Case sampling;  // head_dim is that of the tokens
    int64_t references, output_dim;

    ProjectedAttnDims dims() const { return {sampling.dims(), references, output_dim}; }
};

std::vector<ProjectedCase> const& projected_cases()
{
    static std::vector<ProjectedCase> const all{
        {{"full structure", {{16, 16}, {8, 8}, {4, 4}}, 1, 25, 16, 4, 256, true}, 8, 32},
        {{"one point a head", {{5, 3}, {2, 7}}, 2, 13, 3, 2, 24, true}, 3, 8},
        {{"one point for all", {{5, 3}}, 2, 5, 4, 3, 7, true}, 1, 63},
        {{"one of everything", {{1, 1}}, 1, 1, 1, 1, 1, true}, 1, 1},
    };
    return all;
}

template <typename T>
struct ProjectedCall {
    explicit ProjectedCall(ProjectedCase const& c)
        : dims(c.dims()),
          plain(c.sampling),
          reference_points(size_t(2 * dims.sampling.batch * dims.sampling.num_queries * dims.num_references)),
          projection(size_t(dims.sampling.num_heads * dims.sampling.head_dim * dims.output_dim)),
          bias(size_t(dims.sampling.num_heads * dims.output_dim)),
          output(size_t(dims.sampling.num_rows() * dims.output_dim))
    {
        std::mt19937 random(11);
        std::uniform_real_distribution<float> symmetric(-1.f, 1.f), around(-0.2f, 1.2f), cells(-3.f, 3.f);
        float const largest = 1.f / float(dims.sampling.head_dim + 1);  // so that |output| stays below 1
        plain.fill(reference_points, [&] { return around(random); });
        plain.fill(plain.locations, [&] { return cells(random); });          // as offsets
        plain.fill(plain.weights, [&] { return 4.f * symmetric(random); });  // as logits
        plain.fill(projection, [&] { return largest * symmetric(random); });
        plain.fill(bias, [&] { return largest * symmetric(random); });
        plain.fill(output, [] { return NAN; });
    }

    void run(Isa isa)
    {
        fmmp::projected_attn_cpu<T>(
            {plain.value.data(), plain.spatial_shapes.data(), plain.level_start_index.data(),
             reference_points.data(), plain.locations.data(), plain.weights.data(), projection.data(),
             bias.data(), output.data()},
            dims, fmmp::single_thread(), isa);
    }

    ProjectedAttnDims dims;
    test::Call<T, float> plain;
    test::Guarded<float> reference_points;
    test::Guarded<T> projection, bias, output;
};

/// Word for word: project every cell, then sample. In float64.
template <typename T>
std::vector<double> reference(ProjectedCall<T> const& call)
{
    auto const number = [](auto const& buffer, int64_t i) {
        return double(fmmp::to_float(buffer[size_t(i)]));
    };
    fmmp::MsDeformAttnDims const& d = call.dims.sampling;
    int64_t const depth = d.head_dim, columns = call.dims.output_dim, samples = d.num_samples();
    std::vector<double> output(call.output.size());
    for (int64_t row = 0; row < d.num_rows(); ++row) {
        int64_t const m = row % d.num_heads, query = row / d.num_heads, b = query / d.num_queries;
        int64_t const point = query * call.dims.num_references + m / (d.num_heads / call.dims.num_references);
        double total = 0;
        for (int64_t i = 0; i < samples; ++i) {
            total += std::exp(number(call.plain.weights, row * samples + i));
        }
        for (int64_t i = 0; i < samples; ++i) {
            int64_t const sample = row * samples + i, l = i / d.num_points;
            int32_t const height = call.plain.spatial_shapes[size_t(2 * l)];
            int32_t const width = call.plain.spatial_shapes[size_t(2 * l + 1)];
            double const offset_x = number(call.plain.locations, 2 * sample) / width;
            double const offset_y = number(call.plain.locations, 2 * sample + 1) / height;
            std::vector<double> const x =
                test::hats(number(call.reference_points, 2 * point) + offset_x, width);
            std::vector<double> const y =
                test::hats(number(call.reference_points, 2 * point + 1) + offset_y, height);
            double const weight = std::exp(number(call.plain.weights, sample)) / total;
            for (int32_t i_cell = 0; i_cell < height * width; ++i_cell) {
                double const share = weight * y[size_t(i_cell / width)] * x[size_t(i_cell % width)];
                if (share == 0) {
                    continue;
                }
                int64_t const cell = b * d.num_cells + call.plain.level_start_index[size_t(l)] + i_cell;
                for (int64_t column = 0; column < columns; ++column) {
                    double projected = number(call.bias, m * columns + column);
                    for (int64_t k = 0; k < depth; ++k) {
                        projected += number(call.plain.value, cell * depth + k) *
                                     number(call.projection, (m * depth + k) * columns + column);
                    }
                    output[size_t(row * columns + column)] += share * projected;
                }
            }
        }
    }
    return output;
}

template <typename T>
void check_all()
{
    for (ProjectedCase const& one : projected_cases()) {
        std::vector<double> const expected = reference(ProjectedCall<T>(one));
        for (Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512}) {
            if (!fmmp::supports(isa)) {
                continue;
            }
            ProjectedCall<T> call(one);
            call.run(isa);
            for (size_t i = 0; i < expected.size(); ++i) {
                test::expect_near(double(fmmp::to_float(call.output[i])), expected[i], test::tolerance<T>(),
                                  one.sampling.name + ", instruction set " + std::to_string(int(isa)));
            }
        }
    }
}

}  // namespace

TEST(exp_is_good_to_two_units_in_the_last_place)
{
    for (float x = 0.f; x > -86.9f; x = x * 1.0003f - 1e-4f) {
        double const expected = std::exp(double(x));
        test::expect_near(double(fmmp::exp_of_negative(x)), expected, expected * std::ldexp(1.0, -22),
                          "exp of " + std::to_string(x));
    }
    test::expect(fmmp::exp_of_negative(0.f) == 1.f, "exp of 0 is 1");
    test::expect(fmmp::exp_of_negative(-INFINITY) == 0.f, "exp of -infinity is 0");
    test::expect(fmmp::exp_of_negative(-1e30f) == 0.f, "exp of -1e30 is 0");
    test::expect(std::isnan(fmmp::exp_of_negative(NAN)), "exp of NaN is NaN");
}

TEST(projected_float)
{
    check_all<float>();
}
TEST(projected_half)
{
    check_all<Half>();
}
TEST(projected_bfloat16)
{
    check_all<BFloat16>();
}

TEST(projected_ignores_offsets_that_lead_nowhere)
{
    ProjectedCase const& one = projected_cases()[1];
    float const bad[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 3.4e38f};
    for (Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512}) {
        ProjectedCall<float> call(one);
        for (size_t i = 0; i < call.plain.weights.size(); i += 2) {
            call.plain.locations[2 * i + i / 2 % 2] = bad[i / 2 % 6];
        }
        std::vector<double> const expected = reference(call);
        if (fmmp::supports(isa)) {
            call.run(isa);
            for (size_t i = 0; i < expected.size(); ++i) {
                test::expect_near(double(call.output[i]), expected[i], 1e-6, "an output");
            }
        }
    }
}

TEST(projected_of_nothing_touches_nothing)
{
    ProjectedCase one = projected_cases()[1];
    one.sampling.queries = 0;
    ProjectedCall<float> call(one);
    call.run(fmmp::best_isa());
    test::expect(call.output.size() == 0, "there is no output");
}
