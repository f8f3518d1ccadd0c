// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "fmmp/fmmp.h"

/// fmmp.h for C++: objects that free themselves, and exceptions. Header only, so that the compiler of the
/// library and that of the program need not be the same.
namespace fmmp {

/// What a function of fmmp.h failed with.
class Error : public std::runtime_error {
public:
    Error(fmmp_status status, char const* message) : std::runtime_error(message), status_(status) {}

    fmmp_status status() const { return status_; }

private:
    fmmp_status status_;
};

inline void check(fmmp_status status)
{
    if (status != FMMP_OK) {
        throw Error(status, fmmp_last_error());
    }
}

using Keypoint = fmmp_keypoint;
using Options = fmmp_options;
using Box = std::array<double, 4>;  // x, y, width, height in pixels

/// 8 bits a channel; `row_bytes` 0: rows follow each other.
inline fmmp_image image(uint8_t const* pixels, int32_t width, int32_t height,
                        fmmp_channels channels = FMMP_RGB, int64_t row_bytes = 0)
{
    return {pixels, width, height, row_bytes ? row_bytes : int64_t(3) * width, channels};
}

/// One annotated example of a category.
struct Support {
    fmmp_image image;
    std::vector<std::array<double, 2>> keypoints;              // x, y in pixels
    std::optional<std::vector<std::array<int64_t, 2>>> links;  // none: the shortest tree over the keypoints
    std::vector<uint8_t> visible;                              // empty: all
    std::optional<Box> box;                                    // none: around the keypoints
};

/// A remembered category; may outlive the estimator.
class State {
public:
    explicit State(fmmp_state* state) : state_(state, fmmp_free_state) {}

    void save(std::string const& path) const { check(fmmp_save_state(get(), path.c_str())); }

    size_t num_keypoints() const { return fmmp_num_keypoints(get()); }

    std::vector<std::array<int64_t, 2>> links() const
    {
        size_t count = 0;
        int64_t const* const pairs = fmmp_links(get(), &count);
        std::vector<std::array<int64_t, 2>> links;
        for (size_t number = 0; number < count; ++number) {
            links.push_back({pairs[2 * number], pairs[2 * number + 1]});
        }
        return links;
    }

    fmmp_state const* get() const { return state_.get(); }

private:
    std::unique_ptr<fmmp_state, void (*)(fmmp_state*)> state_;
};

/// A bundle, ready to run. Any number of threads may use it at once.
class Estimator {
public:
    explicit Estimator(std::string const& bundle, Options const& options = {})
        : estimator_(nullptr, fmmp_close)
    {
        fmmp_estimator* estimator = nullptr;
        check(fmmp_open(bundle.c_str(), &options, &estimator));
        estimator_.reset(estimator);
    }

    /// What was chosen, for people.
    std::string description() const { return fmmp_description(estimator_.get()); }

    /// Learn a category from its annotated examples; runs the support graph once.
    State remember(std::vector<Support> const& supports)
    {
        std::vector<fmmp_support> given;
        for (Support const& support : supports) {
            given.push_back(unpack(support));
        }
        fmmp_state* state = nullptr;
        static fmmp_support const none{};
        check(fmmp_remember(estimator_.get(), given.empty() ? &none : given.data(), given.size(), &state));
        return State(state);
    }

    State load_state(std::string const& path)
    {
        fmmp_state* state = nullptr;
        check(fmmp_load_state(estimator_.get(), path.c_str(), &state));
        return State(state);
    }

    /// Find the remembered category in a frame; without a box, in all of it.
    std::vector<Keypoint> locate(fmmp_image const& frame, State const& state,
                                 std::optional<Box> const& box = std::nullopt)
    {
        std::vector<Keypoint> keypoints(state.num_keypoints());
        check(fmmp_locate(estimator_.get(), &frame, state.get(), box ? box->data() : nullptr,
                          keypoints.data(), keypoints.size()));
        return keypoints;
    }

private:
    static fmmp_support unpack(Support const& support)
    {
        size_t const count = support.keypoints.size();
        if (!support.visible.empty() && support.visible.size() != count) {
            throw Error(FMMP_INVALID_ARGUMENT, "visible must have one flag a keypoint, or none at all");
        }
        static int64_t const no_link = 0;  // a list without links is not the same as no list
        int64_t const* links = nullptr;
        if (support.links) {
            links = support.links->empty() ? &no_link : support.links->front().data();
        }
        return {support.image,
                count ? support.keypoints.front().data() : nullptr,
                support.visible.empty() ? nullptr : support.visible.data(),
                count,
                links,
                support.links ? support.links->size() : 0,
                support.box ? support.box->data() : nullptr};
    }

    std::unique_ptr<fmmp_estimator, void (*)(fmmp_estimator*)> estimator_;
};

}  // namespace fmmp
