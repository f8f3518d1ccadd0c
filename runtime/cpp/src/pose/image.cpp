// SPDX-License-Identifier: Apache-2.0
#include "pose/image.h"

#include <algorithm>
#include <string>

#include "error.h"
#include "fmmp/crop_opencv.h"

namespace fmmp::runtime {
namespace {

constexpr int64_t kLongestSide = 32766;  // of cv2.warpAffine, which counts pixels in 16 bits

[[noreturn]] void refuse(std::string const& message)
{
    throw Error(Fault::kArgument, message);
}

}  // namespace

void check_image(Image const& image, char const* name)
{
    std::string const size = std::string(name) + " is " + format_size(image.size()) + " pixels: ";
    if (std::min(image.height, image.width) < 1 || std::max(image.height, image.width) < 2) {
        refuse(size + "there is nothing to locate in it");
    }
    if (std::max(image.height, image.width) > kLongestSide) {
        refuse(size + "the longest side that works is " + std::to_string(kLongestSide));
    }
    if (!image.pixels) {
        refuse(std::string(name) + " has no pixels: its pointer is null");
    }
    if (image.row_bytes < 3 * image.width) {
        refuse(size + "a row takes " + std::to_string(3 * image.width) + " bytes at 3 bytes a pixel, got " +
               std::to_string(image.row_bytes));
    }
}

void warp(Image const& image, Affine const& inverse, int64_t size, uint8_t* crop)
{
    CropSource source{image.pixels, int32_t(image.height), int32_t(image.width), image.row_bytes, {}};
    std::copy(inverse.begin(), inverse.end(), source.inverse);
    for (int32_t y = 0; y < size; ++y) {
        CropRow const row = crop_row_opencv(source, y);
        for (int32_t x = 0; x < size; ++x, crop += 3) {
            crop_pixel_opencv(source, row, x, crop);
        }
    }
    if (image.order == ChannelOrder::kBgr) {
        swap_channels(crop - 3 * size * size, size);
    }
}

void swap_channels(uint8_t* crop, int64_t size)
{
    for (int64_t pixel = 0; pixel < size * size; ++pixel) {
        std::swap(crop[3 * pixel], crop[3 * pixel + 2]);
    }
}

}  // namespace fmmp::runtime
