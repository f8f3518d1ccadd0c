// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "backends/backend.h"

namespace fmmp::runtime {

/// One annotated example of a category.
struct Support {
    Image image;
    Points keypoints;            // pixels
    Flags visible;               // empty: all
    std::optional<Links> links;  // none: the shortest tree over the keypoints
    std::optional<Box> box;      // none: around the keypoints
};

/// The keypoints of one image.
struct Pose {
    Points keypoints;           // pixels of the whole image
    std::vector<double> score;  // in [0, 1]; what it means stands in the bundle; 0 if no support shows it
};

/// A bundle, ready to run; as fmmp_runtime/estimator.py. Any number of threads may use one at once, and after
/// an error it works on as before.
class Estimator {
public:
    Estimator(std::string const& bundle, Options const& options);

    /// Learn a category from 1 to S annotated examples; runs the support graph once.
    std::shared_ptr<SupportState const> remember(std::vector<Support> const& supports) const;

    std::shared_ptr<SupportState const> load_state(std::string const& path) const;

    /// Find the remembered category's keypoints in a frame; without a box, in all of it.
    Pose locate(Image const& frame, std::shared_ptr<SupportState const> const& state,
                std::optional<Box> const& box) const;

    std::string description() const { return backend_->description(); }

private:
    std::shared_ptr<Bundle const> bundle_;
    std::unique_ptr<Backend> backend_;
};

}  // namespace fmmp::runtime
