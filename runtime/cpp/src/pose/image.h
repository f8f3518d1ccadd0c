// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "pose/geometry.h"

/// Images in, crops out; as fmmp_runtime/image.py.
namespace fmmp::runtime {

enum class ChannelOrder { kRgb, kBgr };

/// 3 bytes a pixel, rows of `row_bytes`; belongs to the caller.
struct Image {
    uint8_t const* pixels;
    int64_t height, width, row_bytes;
    ChannelOrder order;

    Size size() const { return {height, width}; }
};

/// Refuse what can't be cropped; `name` says what it is.
void check_image(Image const& image, char const* name);

/// Write the RGB crop (size, size, 3) whose pixel p shows the image at `inverse` p, bilinear; black outside.
void warp(Image const& image, Affine const& inverse, int64_t size, uint8_t* crop);

/// (size, size, 3): swap the first and the third channel.
void swap_channels(uint8_t* crop, int64_t size);

}  // namespace fmmp::runtime
