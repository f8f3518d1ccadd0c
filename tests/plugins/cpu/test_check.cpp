// SPDX-License-Identifier: Apache-2.0
#include "fmmp/check.h"
#include "harness.h"

using fmmp::MsDeformAttnDims;
using fmmp::ValueForm;
using test::expect_equal;

namespace {

/// The shapes of a good call; a test spoils one of them.
struct Shapes : fmmp::MsDeformAttnShapes {
    Shapes() : MsDeformAttnShapes{{2, 19, 4, 8}, {2, 2}, {2}, {2, 5, 4, 2, 3, 2}, {2, 5, 4, 2, 3}} {}

    ValueForm form = ValueForm::kPerHead;

    std::string complaint() const
    {
        MsDeformAttnDims dims;
        return read_dims(form, *this, dims);
    }
};

template <typename Spoil>
std::string complaint(Spoil const& spoil)
{
    Shapes shapes;
    spoil(shapes);
    return shapes.complaint();
}

std::string levels(std::vector<int32_t> const& shapes, std::vector<int32_t> const& starts, int64_t cells)
{
    MsDeformAttnDims const dims{1, cells, 1, 1, 1, 1, int64_t(starts.size()), 1};
    return check_levels(shapes.data(), starts.data(), dims);
}

}  // namespace

TEST(check_reads_the_sizes)
{
    Shapes const s;
    MsDeformAttnDims d;
    expect_equal(read_dims(s.form, s, d), "");
    test::expect(d.batch == 2 && d.num_cells == 19 && d.num_value_heads == 4 && d.head_dim == 8,
                 "value's sizes");
    test::expect(d.num_queries == 5 && d.num_heads == 4 && d.num_levels == 2 && d.num_points == 3,
                 "the others");
    expect_equal(complaint([](Shapes& x) {
                     x.form = ValueForm::kShared;
                     x.value = {2, 19, 8};
                 }),
                 "");
    expect_equal(complaint([](Shapes& x) {
                     x.value[0] = x.sampling_locations[0] = x.attention_weights[0] = 0;
                     x.sampling_locations[1] = x.attention_weights[1] = 0;
                 }),
                 "");
}

TEST(check_names_the_tensor)
{
    expect_equal(complaint([](Shapes& s) { s.value = {2, 19, 8}; }),
                 "value must be [batch, cells, heads, channels], got [2, 19, 8]");
    expect_equal(complaint([](Shapes& s) { s.form = ValueForm::kShared; }),
                 "value must be [batch, cells, channels], got [2, 19, 4, 8]");
    expect_equal(complaint([](Shapes& s) { s.value[3] = 0; }),
                 "value must be of at least one channel, got [2, 19, 4, 0]");
    expect_equal(complaint([](Shapes& s) { s.value[1] = 2147483648; }),
                 "value must be of at most 2147483647 cells, got [2, 2147483648, 4, 8]");
    expect_equal(complaint([](Shapes& s) { s.value[0] = -1; }),
                 "value must be of known sizes, got [-1, 19, 4, 8]");
    expect_equal(
        complaint([](Shapes& s) { s.sampling_locations.pop_back(); }),
        "sampling_locations must be [batch, queries, heads, levels, points, 2], got [2, 5, 4, 2, 3]");
    std::string const at =
        "sampling_locations must be [2, queries, 4, levels >= 1, points >= 1, 2] to go with value "
        "[2, 19, 4, 8], got ";
    expect_equal(complaint([](Shapes& s) { s.sampling_locations[2] = 5; }), at + "[2, 5, 5, 2, 3, 2]");
    expect_equal(complaint([](Shapes& s) { s.sampling_locations[0] = 3; }), at + "[3, 5, 4, 2, 3, 2]");
    expect_equal(complaint([](Shapes& s) { s.sampling_locations[4] = 0; }), at + "[2, 5, 4, 2, 0, 2]");
    expect_equal(complaint([](Shapes& s) { s.sampling_locations[5] = 3; }), at + "[2, 5, 4, 2, 3, 3]");
    expect_equal(
        complaint([](Shapes& s) { s.attention_weights[2] = 1; }),
        "attention_weights must be [2, 5, 4, 2, 3] to go with sampling_locations, got [2, 5, 1, 2, 3]");
    expect_equal(complaint([](Shapes& s) { s.spatial_shapes = {3, 2}; }),
                 "spatial_shapes must be [2, 2], got [3, 2]");
    expect_equal(complaint([](Shapes& s) { s.level_start_index = {2, 1}; }),
                 "level_start_index must be [2], got [2, 1]");
}

TEST(check_refuses_what_cannot_be_counted)
{
    expect_equal(complaint([](Shapes& s) { s.value = {2, 2147483647, 4, int64_t{1} << 40}; }),
                 "value must be of fewer than 2^60 elements, got [2, 2147483647, 4, 1099511627776]");
    expect_equal(
        complaint([](Shapes& s) { s.sampling_locations[1] = s.attention_weights[1] = int64_t{1} << 58; }),
        "sampling_locations must be of fewer than 2^60 elements, got [2, 288230376151711744, 4, 2, 3, 2]");
}

TEST(check_fits_the_levels_together)
{
    expect_equal(levels({3, 5, 2, 2}, {0, 15}, 19), "");
    expect_equal(levels({3, 5, 2, 2}, {0, 20}, 19),
                 "level_start_index[1] must be 15, the number of cells before that level, got 20");
    expect_equal(levels({3, 5, 2, 2}, {1, 16}, 20),
                 "level_start_index[0] must be 0, the number of cells before that level, got 1");
    expect_equal(levels({3, 5, 2, 2}, {0, 15}, 18),
                 "spatial_shapes must describe the 18 cells of value, got 19 or more");
    expect_equal(levels({3, 5, 2, 2}, {0, 15}, 20),
                 "spatial_shapes must describe the 20 cells of value, got 19");
    expect_equal(levels({3, 0}, {0}, 0),
                 "spatial_shapes[0] must be a height and a width of at least 1, got [3, 0]");
    expect_equal(levels({-3, -5}, {0}, 15),
                 "spatial_shapes[0] must be a height and a width of at least 1, got [-3, -5]");
    expect_equal(levels({2147483647, 2147483647, 1, 1}, {0, 1}, 19),
                 "spatial_shapes must describe the 19 cells of value, got 4611686014132420609 or more");
}

TEST(check_refuses_a_crooked_pointer)
{
    alignas(8) char buffer[16];
    expect_equal(fmmp::check_aligned("value", buffer + 4, 4), "");
    expect_equal(fmmp::check_aligned("value", buffer + 2, 4),
                 "value must start at a multiple of 4 bytes, got an address that does not");
}
