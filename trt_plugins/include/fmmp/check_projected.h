// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fmmp/check.h"
#include "fmmp/projected_attn_cpu.h"

namespace fmmp {

/// As `read_dims`, for projected attention.
inline std::string read_projected_dims(TensorShape const& value, TensorShape const& spatial_shapes,
                                       TensorShape const& level_start_index,
                                       TensorShape const& reference_points,
                                       TensorShape const& sampling_offsets,
                                       TensorShape const& attention_logits, TensorShape const& projection,
                                       TensorShape const& projection_bias, ProjectedAttnDims& dims)
{
    auto const expected = [](char const* name, std::string const& what, TensorShape const& found) {
        return std::string(name) + " must be " + what + ", got " + to_text(found);
    };
    MsDeformAttnDims d;
    std::string const complaint =
        read_dims(ValueForm::kShared, value, spatial_shapes, level_start_index, sampling_offsets,
                  attention_logits, d, SamplingNames{"sampling_offsets", "attention_logits"});
    if (!complaint.empty()) {
        return complaint;
    }
    if (reference_points.size() != 4 || reference_points[0] != d.batch ||
        reference_points[1] != d.num_queries || reference_points[3] != 2 || reference_points[2] < 1 ||
        d.num_heads % reference_points[2] != 0) {
        return expected("reference_points",
                        "[" + std::to_string(d.batch) + ", " + std::to_string(d.num_queries) +
                            ", a divisor of the " + std::to_string(d.num_heads) + " heads, 2]",
                        reference_points);
    }
    if (projection.size() != 3 || projection[0] != d.num_heads || projection[1] != d.head_dim ||
        projection[2] < 1) {
        return expected("projection",
                        "[" + std::to_string(d.num_heads) + ", " + std::to_string(d.head_dim) +
                            ", channels >= 1] to go with sampling_offsets and value",
                        projection);
    }
    if (projection_bias != TensorShape{d.num_heads, projection[2]}) {
        return expected("projection_bias", to_text({d.num_heads, projection[2]}), projection_bias);
    }
    if (!countable(projection) || !countable({d.batch, d.num_queries, d.num_heads, projection[2]})) {
        return expected("projection", "so that it and the output have fewer than 2^60 elements", projection);
    }
    dims = {d, reference_points[2], projection[2]};
    return "";
}

}  // namespace fmmp
