// SPDX-License-Identifier: Apache-2.0
#include "pose/skeleton.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fmmp::runtime {
namespace {

using Neighbours = std::vector<std::vector<int64_t>>;

/// Breadth-first order from `start`, cut or filled up to `count`.
void nearest(Neighbours const& neighbours, int64_t start, int64_t count, std::vector<int64_t>& index)
{
    std::vector<int64_t> order{start};
    for (size_t next = 0; next < order.size() && int64_t(order.size()) < count; ++next) {
        for (int64_t const near : neighbours[size_t(order[next])]) {
            if (std::find(order.begin(), order.end(), near) == order.end()) {
                order.push_back(near);
            }
        }
    }
    order.resize(size_t(count), start);
    index.insert(index.end(), order.begin(), order.end());
}

double distance(Point const& one, Point const& other)
{
    double const x = one.x - other.x, y = one.y - other.y;
    return std::sqrt(x * x + y * y);
}

/// Links start -> point -> ... -> point -> end for the points `first` to `first + each - 1` of one link.
void chain(std::pair<int64_t, int64_t> const& link, int64_t first, int64_t each, Links& links)
{
    int64_t last = link.first;
    for (int64_t point = first; point < first + each; ++point) {
        links.emplace_back(last, point);
        last = point;
    }
    links.emplace_back(last, link.second);
}

}  // namespace

std::vector<int64_t> reference_index(Flags const& visible, Links const& links, int64_t heads)
{
    Neighbours neighbours(visible.size());
    for (auto const& [start, end] : links) {
        if (visible[size_t(start)]) {
            neighbours[size_t(start)].push_back(end);
        }
        if (visible[size_t(end)]) {
            neighbours[size_t(end)].push_back(start);
        }
    }
    std::vector<int64_t> index;
    index.reserve(visible.size() * size_t(heads));
    for (size_t keypoint = 0; keypoint < visible.size(); ++keypoint) {
        nearest(neighbours, int64_t(keypoint), heads, index);
    }
    return index;
}

Flags adjacency(Links const& links, int64_t count)
{
    Flags matrix(size_t(count * count), 0);
    for (auto const& [start, end] : links) {
        matrix[size_t(start * count + end)] = matrix[size_t(end * count + start)] = 1;
    }
    return matrix;
}

Links minimum_spanning_tree(Points const& keypoints, Flags const& visible)
{
    std::vector<size_t> outside;  // visible, and not in the tree yet
    for (size_t keypoint = 0; keypoint < keypoints.size(); ++keypoint) {
        if (visible[keypoint]) {
            outside.push_back(keypoint);
        }
    }
    Links links;
    if (outside.size() < 2) {
        return links;
    }
    std::vector<size_t> parent(keypoints.size(), outside[0]);
    std::vector<double> to_tree(keypoints.size(), std::numeric_limits<double>::infinity());
    size_t newest = outside[0];
    outside.erase(outside.begin());
    while (!outside.empty()) {
        for (size_t const keypoint : outside) {
            double const length = distance(keypoints[keypoint], keypoints[newest]);
            if (length < to_tree[keypoint]) {
                to_tree[keypoint] = length;
                parent[keypoint] = newest;
            }
        }
        auto const near = std::min_element(outside.begin(), outside.end(), [&](size_t one, size_t other) {
            return to_tree[one] < to_tree[other];
        });
        newest = *near;
        outside.erase(near);
        links.emplace_back(std::minmax(int64_t(parent[newest]), int64_t(newest)));
    }
    std::sort(links.begin(), links.end());
    return links;
}

Padded pad_keypoints(Points const& keypoints, Flags const& visible, Links const& links, int64_t count,
                     bool uniformly)
{
    int64_t const own = int64_t(keypoints.size()), extra = count - own;
    int64_t const each = links.empty() || !uniformly ? 0 : extra / int64_t(links.size());
    Padded padded{std::vector<float>(size_t(2 * count), 0.f), Flags(size_t(count), 0), links};
    for (size_t keypoint = 0; keypoint < keypoints.size(); ++keypoint) {
        padded.keypoints[2 * keypoint] = float(keypoints[keypoint].x);
        padded.keypoints[2 * keypoint + 1] = float(keypoints[keypoint].y);
        padded.visible[keypoint] = visible[keypoint];
    }
    int64_t next = own;
    for (auto const& [start, end] : links) {
        bool const shown = visible[size_t(start)] && visible[size_t(end)];
        if (shown && each > 0) {
            chain({start, end}, next, each, padded.links);
        }
        for (int64_t number = 1; number <= each; ++number, ++next) {
            double const share = double(number) / double(each + 1);
            for (size_t axis = 0; axis < 2; ++axis) {
                double const from = padded.keypoints[2 * size_t(start) + axis];
                double const to = padded.keypoints[2 * size_t(end) + axis];
                padded.keypoints[2 * size_t(next) + axis] = float(share * from + (1 - share) * to);
            }
            padded.visible[size_t(next)] = shown;
        }
    }
    return padded;
}

}  // namespace fmmp::runtime
