// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// From a box in an image to the square crop that the network sees, and back; as fmmp_runtime/pose/crop.py.
namespace fmmp::runtime {

struct Point {
    double x, y;
};

using Points = std::vector<Point>;

/// Pixels.
struct Box {
    double x, y, width, height;
};

/// Height and width of an image, pixels.
struct Size {
    int64_t height, width;
};

/// (2, 3), row by row: x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5].
using Affine = std::array<double, 6>;

/// Clip a box to its image as COCO tools do; the far corner is the last pixel inside. A box that hangs over
/// the near border moves inside, as released.
Box sanitize_box(Box const& box, Size const& image);

/// Check a box that a user gives, and clip it.
Box check_box(Box const& box, Size const& image);

/// Box around points with a margin; the whole image where they lie in one place.
Box box_around(Points const& points, Size const& image);

/// Image pixels -> pixels of the square crop around the middle of a sanitised box.
Affine crop_matrix(Box const& box, int64_t size, double padding, double rotation_deg = 0);

Affine invert(Affine const& matrix);

Point transform(Point const& point, Affine const& matrix);

/// "[10.0, 20.5]", rounded to a tenth of a pixel, for people.
std::string format(std::vector<double> const& numbers);

/// "640 x 480": width, height.
std::string format_size(Size const& image);

}  // namespace fmmp::runtime
