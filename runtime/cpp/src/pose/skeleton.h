// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "pose/geometry.h"

/// The graph of keypoints; as fmmp_runtime/pose/skeleton.py and padding.py.
namespace fmmp::runtime {

using Links = std::vector<std::pair<int64_t, int64_t>>;  // keypoint indices
using Flags = std::vector<uint8_t>;                      // 0 or 1

/// Where each attention head of each keypoint reads, (K, heads): the first `heads` keypoints in breadth-first
/// order. FMMP, arXiv:2503.21140, section 3.3. A hidden keypoint can be reached, as released, but leads
/// nowhere; a row that is too short is filled up with the keypoint itself.
std::vector<int64_t> reference_index(Flags const& visible, Links const& links, int64_t heads);

/// Which keypoints of `count` are linked, in both directions, whatever is visible: (count, count), 0 or 1.
Flags adjacency(Links const& links, int64_t count);

/// Links for a category without any: the shortest tree over its visible keypoints (Prim), sorted.
Links minimum_spanning_tree(Points const& keypoints, Flags const& visible);

/// The keypoints of one image with points added on its links.
struct Padded {
    std::vector<float> keypoints;  // (K, 2) x, y in [0, 1]
    Flags visible;                 // (K,)
    Links links;                   // the given ones, then the chains, link by link
};

/// Pad to `count` keypoints: with hidden ones at 0, or `uniformly`, equally many points on every link,
/// dividing it equally; the remainder stays zero and hidden. FMMP, section 3.4, Eq. (8), in the form the
/// released weights were trained with: see fmmp_runtime/pose/padding.py.
Padded pad_keypoints(Points const& keypoints, Flags const& visible, Links const& links, int64_t count,
                     bool uniformly = true);

}  // namespace fmmp::runtime
