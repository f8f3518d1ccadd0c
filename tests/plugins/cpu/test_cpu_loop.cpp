// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <limits>
#include <thread>

#include "harness.h"
#include "reference.h"

using fmmp::BFloat16;
using fmmp::Half;
using fmmp::Isa;

namespace {

struct NamedIsa {
    char const* name;
    Isa isa;
};

std::vector<NamedIsa> usable_isas()
{
    std::vector<NamedIsa> usable;
    for (NamedIsa one : {NamedIsa{"portable", Isa::kPortable}, NamedIsa{"AVX2", Isa::kAvx2},
                         NamedIsa{"AVX-512", Isa::kAvx512}}) {
        if (fmmp::supports(one.isa)) {
            usable.push_back(one);
        }
    }
    return usable;
}

template <typename T, typename L>
void compare(test::Call<T, L> const& call, test::Expected const& expected, std::string const& what)
{
    for (size_t i = 0; i < call.output.size(); ++i) {
        test::expect_near(double(fmmp::to_float(call.output[i])), expected.output[i], test::tolerance<T>(),
                          what);
    }
    for (size_t i = 0; i < call.coverage.size(); ++i) {
        test::expect_near(double(fmmp::to_float(call.coverage[i])), expected.coverage[i],
                          test::tolerance<T>(), what + ", coverage");
    }
}

/// Every case against the reference, every buffer first against the forbidden page behind it, then against
/// the one before.
template <typename T, typename L>
void check_all_cases()
{
    for (test::Case const& one : test::cases()) {
        test::Expected const expected = reference(test::Call<T, L>(one));
        for (NamedIsa isa : usable_isas()) {
            for (test::Against against : {test::Against::kEnd, test::Against::kStart}) {
                test::Call<T, L> call(one, against);
                ms_deform_attn_cpu(call.tensors(), call.dims, fmmp::single_thread(), isa.isa);
                compare(call, expected, one.name + ", " + isa.name);
            }
        }
    }
}

/// A pool that runs every task on a thread of its own, the last one first.
void run_on_threads(void* count_of_tasks, void (*task)(void*, size_t), size_t count, void* context)
{
    *static_cast<size_t*>(count_of_tasks) = count;
    std::vector<std::thread> threads;
    for (size_t i = count; i-- > 0;) {
        threads.emplace_back([=] { task(context, i); });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
}

test::Case const kNetwork{"network", {{32, 32}, {16, 16}, {8, 8}}, 2, 9, 16, 4, 32};

}  // namespace

TEST(loop_float)
{
    check_all_cases<float, float>();
}
TEST(loop_half_with_float_locations)
{
    check_all_cases<Half, float>();
}
TEST(loop_half)
{
    check_all_cases<Half, Half>();
}
TEST(loop_bfloat16)
{
    check_all_cases<BFloat16, float>();
}

TEST(loop_on_threads_gives_the_same_bits)
{
    test::Call<float, float> alone(kNetwork), together(kNetwork);
    size_t tasks = 0;
    ms_deform_attn_cpu(alone.tensors(), alone.dims);
    ms_deform_attn_cpu(together.tensors(), together.dims, fmmp::ParallelFor{run_on_threads, &tasks});
    test::expect(tasks > 4, "the work was shared out");
    for (size_t i = 0; i < alone.output.size(); ++i) {
        test::expect(alone.output[i] == together.output[i], "an output differs");
    }
}

TEST(loop_without_coverage_writes_none)
{
    test::Call<float, float> call(kNetwork);
    ms_deform_attn_cpu(call.tensors(false), call.dims);
    compare(call, test::Expected{reference(call).output, std::vector<double>(call.coverage.size(), NAN)},
            "no coverage");
}

TEST(loop_of_nothing_touches_nothing)
{
    for (auto [batch, queries] : {std::pair<int64_t, int64_t>{0, 3}, {2, 0}, {0, 0}}) {
        test::Call<float, float> call({"nothing", {{3, 5}}, batch, queries, 2, 2, 8});
        ms_deform_attn_cpu(call.tensors(), call.dims);
        test::expect(call.output.size() == 0, "there is no output");
    }
}

TEST(loop_ignores_locations_that_are_no_place)
{
    float const infinity = std::numeric_limits<float>::infinity();
    float const bad[] = {NAN, infinity, -infinity, 1e30f, -1e30f, 3.4e38f, 3e9f, -3e9f, 2.f};
    for (NamedIsa isa : usable_isas()) {
        test::Call<float, float> call(kNetwork);
        for (size_t i = 0; i < call.weights.size(); i += 3) {  // x, y or both of every third sample
            call.locations[2 * i + i % 2] = bad[i / 3 % 9];
            call.locations[2 * i + 1] = i % 5 ? call.locations[2 * i + 1] : bad[i / 3 % 7];
            call.weights[i] = i % 7 ? call.weights[i] : NAN;  // not even then
            call.locations[2 * i] = i % 7 ? call.locations[2 * i] : bad[i / 7 % 9];
        }
        test::Expected expected = reference(call);
        for (double& number : expected.output) {
            test::expect(std::isfinite(number), "the reference is finite");
        }
        ms_deform_attn_cpu(call.tensors(), call.dims, fmmp::single_thread(), isa.isa);
        compare(call, expected, isa.name);
    }
}

TEST(loop_reads_no_cell_of_weight_zero)
{
    for (NamedIsa isa : usable_isas()) {
        test::Call<float, float> call({"poison", {{4, 4}, {2, 2}}, 1, 1, 2, 1, 33});
        for (size_t i = 0; i < call.value.size(); ++i) {
            call.value[i] = NAN;
        }
        for (size_t m = 0; m < 2;
             ++m) {  // level 0: the centre of cell (2, 1), the only one with a number; level 1: away
            for (size_t c = 0; c < 33; ++c) {
                call.value[(9 * 2 + m) * 33 + c] = 2.f;
            }
            call.locations[4 * m] = 1.5f / 4;
            call.locations[4 * m + 1] = 2.5f / 4;
            call.locations[4 * m + 2] = call.locations[4 * m + 3] = -1.f;
            call.weights[2 * m] = 0.5f;
        }
        ms_deform_attn_cpu(call.tensors(), call.dims, fmmp::single_thread(), isa.isa);
        for (size_t i = 0; i < call.output.size(); ++i) {
            test::expect_near(double(call.output[i]), 1.0, 0.0, isa.name);
        }
    }
}

/// A NaN that is read must not come out as a number, nor an infinity as a NaN, whatever rounds the result.
template <typename T>
static void check_special_values()
{
    float const special[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (NamedIsa isa : usable_isas()) {
        test::Call<T, float> call({"special", {{1, 1}}, 1, 4, 1, 1, 37, true});
        for (size_t q = 0; q < 4; ++q) {
            call.locations[2 * q] = call.locations[2 * q + 1] = 0.5f;
            call.weights[q] = special[q];
        }
        for (size_t c = 0; c < 37; ++c) {
            call.value[c] = fmmp::Storage<T>::from_float(1.f);
        }
        ms_deform_attn_cpu(call.tensors(), call.dims, fmmp::single_thread(), isa.isa);
        for (size_t i = 0; i < call.output.size(); ++i) {
            test::expect_near(double(fmmp::to_float(call.output[i])), double(special[i / 37]), 0.0, isa.name);
        }
    }
}

TEST(loop_hands_on_nan_and_infinity)
{
    check_special_values<float>();
    check_special_values<Half>();
    check_special_values<BFloat16>();
}

/// The last of 70000 batch items lies more than 2^31 elements into value. The pages that nobody writes cost
/// no memory.
TEST(loop_beyond_two_to_the_31_elements)
{
    for (NamedIsa isa : usable_isas()) {
        int64_t const batch = 70000;
        fmmp::MsDeformAttnDims const d{batch, 1024, 1, 32, 1, 1, 1, 1};
        test::Guarded<Half> value(size_t(batch * d.num_cells * d.head_dim));
        test::expect(value.size() > (size_t{1} << 31), "more than 2^31 elements");
        test::Guarded<float> locations(size_t(2 * batch)), weights { size_t(batch) };
        test::Guarded<Half> output(size_t(batch * d.head_dim));
        int32_t const spatial_shapes[] = {32, 32}, level_start_index[] = {0};
        for (size_t i = value.size() - size_t(d.head_dim); i < value.size(); ++i) {
            value[i] = fmmp::Storage<Half>::from_float(3.f);
        }
        for (size_t b = size_t(batch) - 1; b < size_t(batch); ++b) {
            locations[2 * b] = locations[2 * b + 1] = 31.5f / 32;  // the centre of the very last cell
            weights[b] = 0.5f;
        }
        fmmp::ms_deform_attn_cpu<Half, float>({value.data(), spatial_shapes, level_start_index,
                                               locations.data(), weights.data(), output.data(), nullptr},
                                              d, fmmp::single_thread(), isa.isa);
        test::expect(fmmp::to_float(output[output.size() - 1]) == 1.5f,
                     std::string("the last element, ") + isa.name);
        test::expect(fmmp::to_float(output[0]) == 0.f, "the first element");
    }
}
