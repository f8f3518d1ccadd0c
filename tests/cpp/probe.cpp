// SPDX-License-Identifier: Apache-2.0
/// Answers questions about the insides of the runtime: one JSON object a line in, one out.
#include <algorithm>
#include <cstdio>
#include <iostream>

#include "bundle/bundle.h"
#include "bundle/rules.h"
#include "bundle/support_state.h"
#include "files/files.h"
#include "files/sha256.h"
#include "json/json.h"
#include "json/safetensors.h"
#include "pose/annotation.h"
#include "pose/image.h"
#include "pose/skeleton.h"

namespace {

using namespace fmmp::runtime;

double number(Json const& value)
{
    return value.get<double>();
}

std::vector<double> numbers(Json const& value)
{
    return value.get<std::vector<double>>();
}

Points points(Json const& value)
{
    Points list;
    for (Json const& item : value) {
        std::vector<double> const pair = numbers(item);
        list.push_back({pair.at(0), pair.at(1)});
    }
    return list;
}

Links links(Json const& value)
{
    Links list;
    for (Point const& pair : points(value)) {
        list.emplace_back(int64_t(pair.x), int64_t(pair.y));
    }
    return list;
}

Flags flags(Json const& value)
{
    Flags list;
    for (double const flag : numbers(value)) {
        list.push_back(flag != 0);
    }
    return list;
}

Box box(Json const& value)
{
    std::vector<double> const list = numbers(value);
    return {list.at(0), list.at(1), list.at(2), list.at(3)};
}

Size size(Json const& value)
{
    std::vector<double> const list = numbers(value);
    return {int64_t(list.at(0)), int64_t(list.at(1))};
}

template <typename List>
std::string list(List const& values)
{
    std::string text;
    for (auto const value : values) {
        char word[32];
        std::snprintf(word, sizeof(word), "%.17g", double(value));
        text += (text.empty() ? "" : ", ") + std::string(word);
    }
    return "[" + text + "]";
}

/// A question: its members by name.
class Question {
public:
    explicit Question(std::string const& line) : json_(parse_json(line)) {}

    Json const& operator[](char const* key) const { return json_.at(key); }

    std::string text(char const* key) const { return (*this)[key].get<std::string>(); }

private:
    Json json_;
};

std::string crop(Question const& ask)
{
    Box const clean = sanitize_box(box(ask["box"]), size(ask["image"]));
    Affine const matrix =
        crop_matrix(clean, int64_t(number(ask["size"])), number(ask["padding"]), number(ask["rotation"]));
    std::vector<double> moved, back;
    for (Point const& point : points(ask["points"])) {
        Point const there = transform(point, matrix), again = transform(there, invert(matrix));
        moved.insert(moved.end(), {there.x, there.y});
        back.insert(back.end(), {again.x, again.y});
    }
    return "{\"box\": " + list(std::vector<double>{clean.x, clean.y, clean.width, clean.height}) +
           ", \"matrix\": " + list(matrix) + ", \"moved\": " + list(moved) + ", \"back\": " + list(back) +
           "}";
}

std::string check_box_answer(Question const& ask)
{
    Box const clean = check_box(box(ask["box"]), size(ask["image"]));
    return list(std::vector<double>{clean.x, clean.y, clean.width, clean.height});
}

std::string pad(Question const& ask)
{
    Padded const padded = pad_keypoints(points(ask["keypoints"]), flags(ask["visible"]), links(ask["links"]),
                                        int64_t(number(ask["count"])));
    return "{\"keypoints\": " + list(padded.keypoints) + ", \"visible\": " + list(padded.visible) +
           ", \"links\": " + links_json(padded.links) + "}";
}

/// The crop of an image that is written out, with the memory around it full of 255.
std::string warp_file(Question const& ask)
{
    Size const shape = size(ask["image"]);
    std::string const bytes = read_file(ask.text("file"));
    int64_t const row = 3 * shape.width + 7;
    std::vector<uint8_t> around(size_t(row * shape.height), 255);
    for (int64_t y = 0; y < shape.height; ++y) {
        std::copy_n(bytes.data() + 3 * shape.width * y, 3 * shape.width, around.begin() + row * y);
    }
    Affine inverse{};
    std::vector<double> const given = numbers(ask["inverse"]);
    std::copy(given.begin(), given.end(), inverse.begin());
    int64_t const side = int64_t(number(ask["size"]));
    std::vector<uint8_t> made(size_t(3 * side * side));
    warp({around.data(), shape.height, shape.width, row,
          ask.text("channels") == "bgr" ? ChannelOrder::kBgr : ChannelOrder::kRgb},
         inverse, side, made.data());
    write_atomically(ask.text("out"), std::string(made.begin(), made.end()));
    return "true";
}

std::string safetensors(Question const& ask)
{
    Safetensors const content = parse_safetensors(read_file(ask.text("file")));
    std::string text;
    for (auto const& [name, spec] : content.specs) {
        text += (text.empty() ? "" : ", ") + quote(name) + ": " + quote(spec.text());
    }
    return "{" + text + "}";
}

std::string answer(Question const& ask)
{
    std::string const what = ask.text("ask");
    if (what == "crop") {
        return crop(ask);
    }
    if (what == "box") {
        return check_box_answer(ask);
    }
    if (what == "pad") {
        return pad(ask);
    }
    if (what == "index") {
        return list(
            reference_index(flags(ask["visible"]), links(ask["links"]), int64_t(number(ask["heads"]))));
    }
    if (what == "tree") {
        return links_json(minimum_spanning_tree(points(ask["keypoints"]), flags(ask["visible"])));
    }
    if (what == "support") {
        check_support(points(ask["keypoints"]), flags(ask["visible"]), size(ask["image"]),
                      int64_t(number(ask["count"])));
        return "true";
    }
    if (what == "links") {
        check_links(links(ask["links"]), int64_t(number(ask["count"])));
        return "true";
    }
    if (what == "warp") {
        return warp_file(ask);
    }
    if (what == "json") {
        return quote(kind(parse_json(read_file(ask.text("file")))));
    }
    if (what == "string") {
        return quote(parse_json(read_file(ask.text("file"))).get<std::string>());
    }
    if (what == "sha256") {
        return quote(sha256_file(ask.text("file")));
    }
    if (what == "safetensors") {
        return safetensors(ask);
    }
    if (what == "bundle") {
        return quote(Bundle::open(ask.text("file")).model.state_key());
    }
    if (what == "limits") {
        Json limits;
        for (Limit const& limit : kLimits) {
            limits[limit.of] = {limit.low, limit.high};
        }
        return limits.dump();
    }
    if (what == "state") {
        auto const bundle = std::make_shared<Bundle const>(Bundle::open(ask.text("bundle")));
        SupportState::load(ask.text("file"), bundle).save(ask.text("out"));
        return "true";
    }
    throw std::runtime_error("unknown question " + what);
}

}  // namespace

int main()
{
    for (std::string line; std::getline(std::cin, line);) {
        std::string result;
        try {
            result = "{\"answer\": " + answer(Question(line)) + "}";
        } catch (std::exception const& error) {
            result = "{\"error\": " + quote(error.what()) + "}";
        }
        std::printf("%s\n", result.c_str());
        std::fflush(stdout);
    }
    return 0;
}
