// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "fmmp/ms_deform_attn.h"

/// What every adapter asks before it runs the operator. Host only. Each function returns an empty string when
/// all is well, else one sentence that names the tensor, what was expected and what came.
namespace fmmp {

enum class ValueForm {
    kPerHead,  // value [B, N, M, D]
    kShared,   // value [B, N, D]: one map that all heads read
};

using TensorShape = std::vector<int64_t>;

inline std::string to_text(TensorShape const& shape)
{
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) {
        text += (i ? ", " : "") + std::to_string(shape[i]);
    }
    return text + "]";
}

/// Whether the product of the sizes, in bytes of any storage type, fits 63 bits. Sizes are not negative.
inline bool countable(TensorShape const& shape)
{
    int64_t count = 1;
    for (int64_t size : shape) {
        if (size > 0 && count > std::numeric_limits<int64_t>::max() / 8 / size) {
            return false;
        }
        count *= size > 0 ? size : 1;
    }
    return true;
}

/// What messages call the tensor of places and that of weights.
struct SamplingNames {
    char const* locations = "sampling_locations";
    char const* weights = "attention_weights";
};

/// Shapes of the inputs of one call.
struct MsDeformAttnShapes {
    TensorShape value, spatial_shapes, level_start_index, sampling_locations, attention_weights;
};

/// Read the sizes of one call out of its tensor shapes, all of them known (no -1), into `dims`.
inline std::string read_dims(ValueForm form, MsDeformAttnShapes const& shapes, MsDeformAttnDims& dims,
                             SamplingNames const& names = {})
{
    auto const& [value, spatial_shapes, level_start_index, sampling_locations, attention_weights] = shapes;
    bool const shared = form == ValueForm::kShared;
    auto const expected = [](char const* name, std::string const& what, TensorShape const& found) {
        return std::string(name) + " must be " + what + ", got " + to_text(found);
    };
    if (value.size() != (shared ? 3 : 4)) {
        return expected("value", shared ? "[batch, cells, channels]" : "[batch, cells, heads, channels]",
                        value);
    }
    if (sampling_locations.size() != 6) {
        return expected(names.locations, "[batch, queries, heads, levels, points, 2]", sampling_locations);
    }
    struct Named {
        char const* name;
        TensorShape const& shape;
    };
    for (Named const& tensor : {Named{"value", value}, Named{names.locations, sampling_locations}}) {
        for (int64_t size : tensor.shape) {
            if (size < 0) {
                return expected(tensor.name, "of known sizes", tensor.shape);
            }
        }
    }
    TensorShape const& at = sampling_locations;
    MsDeformAttnDims const d{value[0], value[1], shared ? 1 : value[2], value.back(), at[1], at[2],
                             at[3],    at[4]};
    if (at[0] != d.batch || at[5] != 2 || d.num_heads < 1 || d.num_levels < 1 || d.num_points < 1 ||
        (!shared && d.num_heads != d.num_value_heads)) {
        return expected(names.locations,
                        "[" + std::to_string(d.batch) + ", queries, " +
                            (shared ? "heads >= 1" : std::to_string(d.num_value_heads)) +
                            ", levels >= 1, points >= 1, 2] to go with value " + to_text(value),
                        at);
    }
    if (d.head_dim < 1) {
        return expected("value", "of at least one channel", value);
    }
    if (d.num_cells > std::numeric_limits<int32_t>::max()) {
        return expected("value", "of at most 2147483647 cells", value);
    }
    TensorShape const weights{d.batch, d.num_queries, d.num_heads, d.num_levels, d.num_points};
    if (attention_weights != weights) {
        return expected(names.weights, to_text(weights) + " to go with " + names.locations,
                        attention_weights);
    }
    if (spatial_shapes != TensorShape{d.num_levels, 2}) {
        return expected("spatial_shapes", to_text({d.num_levels, 2}), spatial_shapes);
    }
    if (level_start_index != TensorShape{d.num_levels}) {
        return expected("level_start_index", to_text({d.num_levels}), level_start_index);
    }
    TensorShape const output{d.batch, d.num_queries, d.num_heads, d.head_dim};
    for (Named const& tensor : {Named{"value", value}, Named{names.locations, at}, Named{"output", output}}) {
        if (!countable(tensor.shape)) {
            return expected(tensor.name, "of fewer than 2^60 elements", tensor.shape);
        }
    }
    dims = d;
    return "";
}

/// Check what is inside of spatial_shapes and level_start_index (host memory): the levels follow one another
/// and fill the cells of value.
inline std::string check_levels(int32_t const* spatial_shapes, int32_t const* level_start_index,
                                MsDeformAttnDims const& dims)
{
    int64_t start = 0;
    for (int64_t l = 0; l < dims.num_levels; ++l) {
        int64_t const height = spatial_shapes[2 * l], width = spatial_shapes[2 * l + 1];
        std::string const index = "[" + std::to_string(l) + "]";
        if (height < 1 || width < 1) {
            return "spatial_shapes" + index + " must be a height and a width of at least 1, got " +
                   to_text({height, width});
        }
        if (level_start_index[l] != start) {
            return "level_start_index" + index + " must be " + std::to_string(start) +
                   ", the number of cells before that level, got " + std::to_string(level_start_index[l]);
        }
        start += height * width;
        if (start > dims.num_cells) {
            break;
        }
    }
    if (start != dims.num_cells) {
        return "spatial_shapes must describe the " + std::to_string(dims.num_cells) +
               " cells of value, got " + std::to_string(start) + (start > dims.num_cells ? " or more" : "");
    }
    return "";
}

/// Check that a tensor starts at a multiple of its element size, as every kernel relies on.
inline std::string check_aligned(char const* name, void const* data, size_t element_size)
{
    if (reinterpret_cast<uintptr_t>(data) % element_size == 0) {
        return "";
    }
    return std::string(name) + " must start at a multiple of " + std::to_string(element_size) +
           " bytes, got an address that does not";
}

}  // namespace fmmp
