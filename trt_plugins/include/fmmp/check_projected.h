// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fmmp/check.h"
#include "fmmp/projected_attn_cpu.h"

namespace fmmp {

/// Shapes of the inputs of one call of projected attention.
struct ProjectedAttnShapes {
    MsDeformAttnShapes sampling;  // sampling_offsets and attention_logits stand for locations and weights
    TensorShape reference_points, projection, projection_bias;
};

/// As `read_dims`, for projected attention.
inline std::string read_projected_dims(ProjectedAttnShapes const& shapes, ProjectedAttnDims& dims)
{
    auto const& [sampling, reference_points, projection, projection_bias] = shapes;
    auto const expected = [](char const* name, std::string const& what, TensorShape const& found) {
        return std::string(name) + " must be " + what + ", got " + to_text(found);
    };
    MsDeformAttnDims d;
    std::string const complaint =
        read_dims(ValueForm::kShared, sampling, d, SamplingNames{"sampling_offsets", "attention_logits"});
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
