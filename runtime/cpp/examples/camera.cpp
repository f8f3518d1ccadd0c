// SPDX-License-Identifier: Apache-2.0
/// fmmp_camera: keypoints in every frame of a video or camera, drawn in a window; needs OpenCV.
#include <cstdio>
#include <opencv2/highgui.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/videoio.hpp>

#include "fmmp/fmmp.hpp"

namespace {

constexpr double kLeastScore = 0.3;  // below it a keypoint is not drawn
constexpr int kEscape = 27;

void draw(cv::Mat& frame, std::vector<fmmp::Keypoint> const& keypoints, fmmp::State const& state)
{
    auto const shown = [&](fmmp::Keypoint const& keypoint) { return keypoint.score >= kLeastScore; };
    auto const place = [](fmmp::Keypoint const& keypoint) {
        return cv::Point(cvRound(keypoint.x), cvRound(keypoint.y));
    };
    for (auto const& [start, end] : state.links()) {
        fmmp::Keypoint const &one = keypoints[size_t(start)], &other = keypoints[size_t(end)];
        if (shown(one) && shown(other)) {
            cv::line(frame, place(one), place(other), {0, 200, 255}, 2, cv::LINE_AA);
        }
    }
    for (fmmp::Keypoint const& keypoint : keypoints) {
        if (shown(keypoint)) {
            cv::circle(frame, place(keypoint), 4, {0, 0, 255}, cv::FILLED, cv::LINE_AA);
        }
    }
}

void run(std::string const& bundle, std::string const& state_file, std::string const& source)
{
    fmmp::Estimator estimator(bundle);
    std::printf("%s\n", estimator.description().c_str());
    fmmp::State const state = estimator.load_state(state_file);
    std::string const camera = "camera:";
    bool const live = source.rfind(camera, 0) == 0;
    cv::VideoCapture video;
    if (!(live ? video.open(std::stoi(source.substr(camera.size()))) : video.open(source))) {
        throw std::runtime_error("OpenCV cannot open " + source);
    }
    cv::TickMeter meter;
    for (cv::Mat frame; video.read(frame);) {
        meter.start();
        // OpenCV's frames are BGR; the crop is turned, not the frame.
        fmmp_image const image =
            fmmp::image(frame.data, frame.cols, frame.rows, FMMP_BGR, int64_t(frame.step[0]));
        std::vector<fmmp::Keypoint> const keypoints = estimator.locate(image, state);
        meter.stop();
        draw(frame, keypoints, state);
        cv::imshow("fmmp", frame);
        if (cv::waitKey(1) == kEscape) {
            break;
        }
    }
    std::printf("%d frames, %.1f ms each\n", int(meter.getCounter()), meter.getAvgTimeMilli());
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc != 4) {
        std::fprintf(stderr, "usage: fmmp_camera BUNDLE STATE.safetensors (VIDEO | camera:0)\n");
        return 2;
    }
    try {
        run(argv[1], argv[2], argv[3]);
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "fmmp_camera: %s\n", error.what());
        return 1;
    }
}
