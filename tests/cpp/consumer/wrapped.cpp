// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <fmmp/fmmp.hpp>

/// The centre of a white square as the only support keypoint, and the same frame to look at.
int main(int argc, char** argv)
{
    constexpr int32_t kWidth = 80, kHeight = 60;
    std::vector<uint8_t> const pixels(size_t(3 * kWidth * kHeight), 255);
    fmmp_image const frame = fmmp::image(pixels.data(), kWidth, kHeight);
    fmmp::Options options{};
    options.threads = 1;
    try {
        fmmp::Estimator estimator(argc > 1 ? argv[1] : "nowhere", options);
        fmmp::Support const support{frame, {{40, 30}, {20, 15}}, {{{0, 1}}}, {}, fmmp::Box{0, 0, 80, 60}};
        fmmp::State const state = estimator.remember({support});
        for (fmmp::Keypoint const& keypoint : estimator.locate(frame, state)) {
            std::printf("%.3f %.3f %.3f\n", keypoint.x, keypoint.y, keypoint.score);
        }
        return 0;
    } catch (fmmp::Error const& error) {
        std::printf("%d %s\n", int(error.status()), error.what());
        return 1;
    }
}
