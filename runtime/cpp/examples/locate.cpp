// SPDX-License-Identifier: Apache-2.0
/// fmmp_locate: keypoints of one frame as JSON, from a support state or from an annotated support image.
#include <cstdio>
#include <cstring>
#include <sstream>

#include "fmmp/fmmp.hpp"
#include "ppm.h"

namespace {

constexpr char kUsage[] =
    "usage: fmmp_locate BUNDLE (--state FILE | --support FILE.ppm --keypoints X,Y,X,Y,...)\n"
    "                   [--links A,B,A,B,...] [--visible 1,0,...] [--support-box X,Y,W,H] [--save-state "
    "FILE]\n"
    "                   [--frame FILE.ppm] [--box X,Y,W,H] [--backend NAME] [--threads N]\n";

/// What is wrong with the command line.
struct UsageError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Arguments {
    std::string bundle, state, support, save_state, frame, backend;
    std::vector<double> keypoints, links, visible, support_box, box;
    bool has_links = false;
    int threads = 0;
};

std::vector<double> numbers(std::string const& option, std::string const& text)
{
    std::vector<double> found;
    std::istringstream stream(text);
    double number = 0;
    while (stream >> number) {
        found.push_back(number);
        if (stream.peek() == ',') {
            stream.ignore();
        }
    }
    if (!stream.eof()) {
        throw UsageError(option + " takes numbers with commas between them, got " + text);
    }
    return found;
}

Arguments parse(int argc, char** argv)
{
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        std::string const option = argv[i];
        if (option.rfind("--", 0) != 0 && arguments.bundle.empty()) {
            arguments.bundle = option;
            continue;
        }
        if (i + 1 == argc) {
            throw UsageError(option + " takes a value");
        }
        std::string const value = argv[++i];
        if (option == "--state") {
            arguments.state = value;
        } else if (option == "--support") {
            arguments.support = value;
        } else if (option == "--keypoints") {
            arguments.keypoints = numbers(option, value);
        } else if (option == "--links") {
            arguments.links = numbers(option, value);
            arguments.has_links = true;
        } else if (option == "--visible") {
            arguments.visible = numbers(option, value);
        } else if (option == "--support-box") {
            arguments.support_box = numbers(option, value);
        } else if (option == "--box") {
            arguments.box = numbers(option, value);
        } else if (option == "--save-state") {
            arguments.save_state = value;
        } else if (option == "--frame") {
            arguments.frame = value;
        } else if (option == "--backend") {
            arguments.backend = value;
        } else if (option == "--threads") {
            arguments.threads = std::atoi(value.c_str());
        } else {
            throw UsageError("unknown option " + option);
        }
    }
    if (arguments.bundle.empty() || arguments.state.empty() == arguments.support.empty()) {
        throw UsageError("needs a bundle, and either --state or --support");
    }
    return arguments;
}

std::optional<fmmp::Box> as_box(std::vector<double> const& values)
{
    if (values.empty()) {
        return std::nullopt;
    }
    if (values.size() != 4) {
        throw UsageError("a box is x, y, width, height");
    }
    return fmmp::Box{values[0], values[1], values[2], values[3]};
}

fmmp::State remember(fmmp::Estimator& estimator, Arguments const& arguments)
{
    Picture const picture = read_ppm(arguments.support);
    fmmp::Support support{fmmp::image(picture.pixels.data(), picture.width, picture.height),
                          {},
                          {},
                          {},
                          as_box(arguments.support_box)};
    for (size_t i = 0; i + 1 < arguments.keypoints.size(); i += 2) {
        support.keypoints.push_back({arguments.keypoints[i], arguments.keypoints[i + 1]});
    }
    if (arguments.has_links) {
        support.links.emplace();
    }
    for (size_t i = 0; i + 1 < arguments.links.size(); i += 2) {
        support.links->push_back({int64_t(arguments.links[i]), int64_t(arguments.links[i + 1])});
    }
    for (double const flag : arguments.visible) {
        support.visible.push_back(flag != 0);
    }
    return estimator.remember({support});
}

void print(std::vector<fmmp::Keypoint> const& keypoints, fmmp::State const& state)
{
    std::string points, scores, known, links;
    for (fmmp::Keypoint const& keypoint : keypoints) {
        char const* const comma = points.empty() ? "" : ", ";
        char text[80];
        std::snprintf(text, sizeof(text), "%s[%.6f, %.6f]", comma, keypoint.x, keypoint.y);
        points += text;
        std::snprintf(text, sizeof(text), "%s%.7f", comma, keypoint.score);
        scores += text;
        known += std::string(comma) + (keypoint.known ? "true" : "false");
    }
    for (auto const& [start, end] : state.links()) {
        links += (links.empty() ? "[" : ", [") + std::to_string(start) + ", " + std::to_string(end) + "]";
    }
    std::printf("{\"keypoints\": [%s], \"score\": [%s], \"known\": [%s], \"links\": [%s]}\n", points.c_str(),
                scores.c_str(), known.c_str(), links.c_str());
}

void run(Arguments const& arguments)
{
    fmmp::Options options{};
    options.backend = arguments.backend.empty() ? nullptr : arguments.backend.c_str();
    options.threads = arguments.threads;
    fmmp::Estimator estimator(arguments.bundle, options);
    std::fprintf(stderr, "%s\n", estimator.description().c_str());
    fmmp::State const state =
        arguments.state.empty() ? remember(estimator, arguments) : estimator.load_state(arguments.state);
    if (!arguments.save_state.empty()) {
        state.save(arguments.save_state);
    }
    if (!arguments.frame.empty()) {
        Picture const frame = read_ppm(arguments.frame);
        print(estimator.locate(fmmp::image(frame.pixels.data(), frame.width, frame.height), state,
                               as_box(arguments.box)),
              state);
    }
}

}  // namespace

/// 0: done; 1: the user can mend it, one line says how; 2: wrong arguments.
int main(int argc, char** argv)
{
    try {
        run(parse(argc, argv));
        return 0;
    } catch (UsageError const& error) {
        std::fprintf(stderr, "%sfmmp_locate: %s\n", kUsage, error.what());
        return 2;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "fmmp_locate: %s\n", error.what());
        return 1;
    }
}
