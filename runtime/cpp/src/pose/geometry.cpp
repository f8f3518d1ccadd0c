// SPDX-License-Identifier: Apache-2.0
#include "pose/geometry.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "error.h"

namespace fmmp::runtime {
namespace {

constexpr double kBoxMargin = 0.1;  // of the longer side, around points that come without a box
constexpr double kRadians = 3.14159265358979323846 / 180;

[[noreturn]] void refuse(Box const& box, std::string const& fault)
{
    throw Error(Fault::kArgument,
                "box " + format({box.x, box.y, box.width, box.height}) + " (x, y, width, height) " + fault);
}

}  // namespace

Box sanitize_box(Box const& box, Size const& image)
{
    for (double const number : {box.x, box.y, box.width, box.height}) {
        if (!std::isfinite(number)) {
            refuse(box, "must be four finite numbers in pixels");
        }
    }
    double const near_x = std::max(box.x, 0.), near_y = std::max(box.y, 0.);
    double const far_x = std::min(near_x + std::max(box.width - 1, 0.), double(image.width - 1));
    double const far_y = std::min(near_y + std::max(box.height - 1, 0.), double(image.height - 1));
    if (far_x < near_x || far_y < near_y) {
        refuse(box, "lies outside the " + format_size(image) + " image");
    }
    if (!(far_x > near_x || far_y > near_y)) {
        refuse(box, "covers one pixel of the " + format_size(image) + " image: too small to look at");
    }
    return {near_x, near_y, far_x - near_x, far_y - near_y};
}

Box check_box(Box const& box, Size const& image)
{
    Box const clipped = sanitize_box(box, image);
    if (box.width <= 0 || box.height <= 0 || box.x + box.width <= 0 || box.y + box.height <= 0) {
        refuse(box, "lies outside the " + format_size(image) + " image");
    }
    return clipped;
}

Box box_around(Points const& points, Size const& image)
{
    Point low = points.at(0), high = low;
    for (Point const& point : points) {
        low = {std::min(low.x, point.x), std::min(low.y, point.y)};
        high = {std::max(high.x, point.x), std::max(high.y, point.y)};
    }
    double const longest = std::max(high.x - low.x, high.y - low.y);
    if (longest < 1) {
        return {0, 0, double(image.width), double(image.height)};
    }
    double const margin = kBoxMargin * longest;
    // Clipped here: `sanitize_box` would shift the box instead.
    double const x = std::max(low.x - margin, 0.), y = std::max(low.y - margin, 0.);
    return {x, y, high.x + margin - x + 1, high.y + margin - y + 1};
}

Affine crop_matrix(Box const& box, int64_t size, double padding, double rotation_deg)
{
    double const centre_x = box.x + box.width / 2, centre_y = box.y + box.height / 2;
    double const zoom = double(size) / (std::max(box.width, box.height) * padding);
    double const cos = zoom * std::cos(rotation_deg * kRadians),
                 sin = zoom * std::sin(rotation_deg * kRadians);
    double const half = double(size) / 2;
    return {cos,  sin, half - (cos * centre_x + sin * centre_y),  // y points down
            -sin, cos, half - (-sin * centre_x + cos * centre_y)};
}

Affine invert(Affine const& m)
{
    double const scale = 1 / (m[0] * m[4] - m[1] * m[3]);
    double const a = m[4] * scale, b = -m[1] * scale, c = -m[3] * scale, d = m[0] * scale;
    return {a, b, -a * m[2] - b * m[5], c, d, -c * m[2] - d * m[5]};
}

Point transform(Point const& point, Affine const& m)
{
    return {m[0] * point.x + m[1] * point.y + m[2], m[3] * point.x + m[4] * point.y + m[5]};
}

std::string format(std::vector<double> const& numbers)
{
    std::string list;
    for (double const number : numbers) {
        char word[32];
        std::snprintf(word, sizeof(word), std::fabs(number) < 1e15 ? "%.1f" : "%g", number);
        list += (list.empty() ? "" : ", ") + std::string(word);
    }
    return "[" + list + "]";
}

std::string format_size(Size const& image)
{
    return std::to_string(image.width) + " x " + std::to_string(image.height);
}

}  // namespace fmmp::runtime
