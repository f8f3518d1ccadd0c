// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "fmmp/host_device.h"

/// The square crop of an image that the network looks at. Scaling and normalisation are in the network's
/// graph: what is made here is RGB uint8, as the graph takes it.
namespace fmmp {

/// What a crop is made of. fmmp_runtime/backends/crops.py has the same layout.
struct CropSource {
    uint8_t const* pixels;  // RGB, 3 bytes a pixel; not read when height or width is 0
    int32_t height, width;
    int64_t row_bytes;
    double inverse[6];  // (2, 3) affine map, crop pixels x, y -> image pixels x, y
};

/// Channel `c` at row `y`, column `x`; black outside the image.
FMMP_HOST_DEVICE float crop_tap(CropSource const& source, int32_t y, int32_t x, int c)
{
    bool const inside = y >= 0 && y < source.height && x >= 0 && x < source.width;
    return inside ? float(source.pixels[y * source.row_bytes + int64_t(3) * x + c]) : 0.f;
}

/// RGB of the crop's pixel at column `x`, row `y`: bilinear at its place in the image, rounded to the
/// nearest.
///
/// Places are in double, so that the result is the exact one but where it lies within 1e-4 of halfway
/// between two grey levels.
FMMP_HOST_DEVICE void crop_pixel(CropSource const& source, int32_t x, int32_t y, uint8_t rgb[3])
{
    double const* const m = source.inverse;
    double const u = m[0] * x + m[1] * y + m[2];
    double const v = m[3] * x + m[4] * y + m[5];
    // False for NaN as well, so that what is converted to int below fits.
    bool const near = u > -1 && u < source.width && v > -1 && v < source.height;
    int32_t const left = near ? int32_t(floor(u)) : -2;
    int32_t const top = near ? int32_t(floor(v)) : -2;
    float const right_share = near ? float(u - left) : 0.f;
    float const lower_share = near ? float(v - top) : 0.f;
    for (int c = 0; c < 3; ++c) {
        float const upper = crop_tap(source, top, left, c) * (1 - right_share) +
                            crop_tap(source, top, left + 1, c) * right_share;
        float const lower = crop_tap(source, top + 1, left, c) * (1 - right_share) +
                            crop_tap(source, top + 1, left + 1, c) * right_share;
        rgb[c] = uint8_t(rintf(upper * (1 - lower_share) + lower * lower_share));
    }
}

}  // namespace fmmp
