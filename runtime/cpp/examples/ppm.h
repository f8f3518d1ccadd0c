// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

/// RGB, 8 bits a channel, rows one behind the other.
struct Picture {
    int32_t width = 0, height = 0;
    std::vector<uint8_t> pixels;
};

/// Read a binary PPM file (P6), which `convert a.jpg a.ppm`, ffmpeg and OpenCV write.
inline Picture read_ppm(std::string const& path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        throw std::runtime_error("cannot read " + path);
    }
    std::string magic;
    file >> magic;
    auto const number = [&] {
        while ((file >> std::ws).peek() == '#') {
            file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
        }
        int32_t value = 0;
        file >> value;
        return value;
    };
    Picture picture;
    picture.width = number();
    picture.height = number();
    int32_t const largest = number();
    constexpr int32_t kLongestSide = 32766;
    if (!file || magic != "P6" || largest != 255 || picture.width < 1 || picture.height < 1 ||
        picture.width > kLongestSide || picture.height > kLongestSide) {
        throw std::runtime_error(path + " must be a binary PPM file (P6) with 8 bits a channel");
    }
    file.get();  // one space
    picture.pixels.resize(size_t(3) * size_t(picture.width) * size_t(picture.height));
    file.read(reinterpret_cast<char*>(picture.pixels.data()), std::streamsize(picture.pixels.size()));
    if (!file) {
        throw std::runtime_error(path + " is cut off");
    }
    return picture;
}
