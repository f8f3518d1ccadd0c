// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "pose/skeleton.h"

/// Strict checks of a support annotation, as fmmp_runtime/pose/validation.py: each fault is named, with the
/// keypoint or link that has it.
namespace fmmp::runtime {

/// Check the keypoints of one support image.
///
/// @param keypoints_px what a hidden one holds is not looked at.
/// @param count K, the most that the model takes.
/// @param fixed no model for more can be exported.
void check_support(Points const& keypoints_px, Flags const& visible, Size const& image, int64_t count,
                   bool fixed = false);

struct WidenedBox {
    Box box;
    std::string note;  // empty: the box is as it was
};

/// A box that leaves a visible keypoint outside by more than a pixel is widened to hold it, and a note says
/// so. One that leaves most of them outside is the box of something else: refused.
WidenedBox widen_box(Box const& box, Points const& visible_px, Size const& image);

/// Check the links of a category with `count` keypoints; `once`: each may be there only once.
void check_links(Links const& links, int64_t count, bool once = true);

}  // namespace fmmp::runtime
