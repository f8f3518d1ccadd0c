// SPDX-License-Identifier: Apache-2.0
#include "pose/annotation.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "error.h"

namespace fmmp::runtime {
namespace {

[[noreturn]] void refuse(std::string const& message)
{
    throw Error(Fault::kArgument, message);
}

bool lies_outside(Point const& point, Size const& image)
{
    return point.x < 0 || point.y < 0 || point.x > double(image.width) || point.y > double(image.height);
}

}  // namespace

void check_support(Points const& keypoints_px, Flags const& visible, Size const& image, int64_t count,
                   bool fixed)
{
    std::string const total = std::to_string(keypoints_px.size());
    if (keypoints_px.empty()) {
        refuse("keypoints must be a list of x, y pairs, got none");
    }
    if (int64_t(keypoints_px.size()) > count) {
        std::string const mend =
            "fmmp-export --keypoints " + total + " makes one for them, or leave some out";
        refuse(total + " keypoints do not fit: this model takes " + std::to_string(count) + "; " +
               (fixed ? "its weights are made for so many: leave some out" : mend));
    }
    size_t outside = 0, first = 0;
    for (size_t number = 0; number < keypoints_px.size(); ++number) {
        Point const& point = keypoints_px[number];
        if (visible[number] && (!std::isfinite(point.x) || !std::isfinite(point.y))) {
            refuse("keypoint " + std::to_string(number) + " is not finite: " + format({point.x, point.y}) +
                   "; hide it");
        }
        if (visible[number] && lies_outside(point, image) && outside++ == 0) {
            first = number;
        }
    }
    if (std::none_of(visible.begin(), visible.end(), [](uint8_t flag) { return flag != 0; })) {
        refuse("none of " + total + " keypoints is visible: a support needs at least one");
    }
    if (outside > 0) {
        refuse("keypoint " + std::to_string(first) + " at " +
               format({keypoints_px[first].x, keypoints_px[first].y}) + " lies outside the " +
               format_size(image) + " image (" + std::to_string(outside) + " of " + total +
               " do): correct it or mark it hidden");
    }
}

WidenedBox widen_box(Box const& box, Points const& points, Size const& image)
{
    double const far_x = box.x + box.width, far_y = box.y + box.height;
    auto const outside = size_t(std::count_if(points.begin(), points.end(), [&](Point const& point) {
        return point.x < box.x - 1 || point.y < box.y - 1 || point.x > far_x + 1 || point.y > far_y + 1;
    }));
    if (outside == 0) {
        return {box, ""};
    }
    std::string const fault = "box " + format({box.x, box.y, box.width, box.height}) + " leaves " +
                              std::to_string(outside) + " of " + std::to_string(points.size()) +
                              " visible keypoints outside";
    if (2 * outside > points.size()) {
        refuse(fault + ": is it x, y, width, height in pixels of this image? Leave it out to have one made");
    }
    Point low{box.x, box.y}, high{far_x, far_y};
    for (Point const& point : points) {
        low = {std::min(low.x, point.x), std::min(low.y, point.y)};
        high = {std::max(high.x, point.x + 1), std::max(high.y, point.y + 1)};  // the last pixel is inside
    }
    low = {std::max(low.x, 0.), std::max(low.y, 0.)};
    high = {std::min(high.x, double(image.width)), std::min(high.y, double(image.height))};
    Box const wide{low.x, low.y, high.x - low.x, high.y - low.y};
    return {wide, fault + ": widened to " + format({wide.x, wide.y, wide.width, wide.height})};
}

void check_links(Links const& links, int64_t count, bool once)
{
    std::set<std::pair<int64_t, int64_t>> seen;
    for (size_t number = 0; number < links.size(); ++number) {
        auto const [start, end] = links[number];
        std::string const link = "link " + std::to_string(number) + ", [" + std::to_string(start) + ", " +
                                 std::to_string(end) + "], ";
        if (std::min(start, end) < 0 || std::max(start, end) >= count) {
            refuse(link + "is out of range: keypoints are 0 to " + std::to_string(count - 1));
        }
        if (start == end) {
            refuse(link + "joins a keypoint to itself: remove it");
        }
        if (!seen.insert(std::minmax(start, end)).second && once) {
            refuse(link + "is there twice (in either direction): remove one");
        }
    }
}

}  // namespace fmmp::runtime
