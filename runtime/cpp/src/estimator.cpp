// SPDX-License-Identifier: Apache-2.0
#include "estimator.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "pose/annotation.h"

namespace fmmp::runtime {
namespace {

struct Checked {
    Flags visible;
    Box box;
    std::string note;  // of what was changed; empty: nothing
};

Flags visible_of(Support const& support)
{
    return support.visible.empty() ? Flags(support.keypoints.size(), 1) : support.visible;
}

Checked check_one(Support const& support, Model const& model)
{
    check_image(support.image, "image");
    Flags const visible = visible_of(support);
    check_support(support.keypoints, visible, support.image.size(), model.keypoints, model.fixed_keypoints);
    Points shown;
    for (size_t number = 0; number < visible.size(); ++number) {
        if (visible[number]) {
            shown.push_back(support.keypoints[number]);
        }
    }
    Size const size = support.image.size();
    if (!support.box) {
        return {visible, check_box(box_around(shown, size), size), ""};
    }
    check_box(*support.box, size);  // as it was given
    WidenedBox const widened = widen_box(*support.box, shown, size);
    return {visible, check_box(widened.box, size), widened.note};
}

/// Where every support must show a keypoint no place may be blank: the supports are repeated, equally often.
void check_count(int64_t count, Model const& model)
{
    std::string numbers = "1 to " + std::to_string(model.shots);
    if (model.every_support) {
        numbers = "1";
        for (int64_t number = 2; number <= model.shots; ++number) {
            numbers += model.shots % number == 0 ? " or " + std::to_string(number) : "";
        }
    }
    if (count < 1 || count > model.shots || (model.every_support && model.shots % count != 0)) {
        throw Error(Fault::kArgument, "this bundle takes " + numbers + " supports, got " +
                                          std::to_string(count) + ": fmmp-export --shots N makes one for N");
    }
}

std::vector<Checked> check_all(std::vector<Support> const& supports, Model const& model)
{
    check_count(int64_t(supports.size()), model);
    std::vector<Checked> checked;
    for (Support const& support : supports) {
        try {
            checked.push_back(check_one(support, model));
            if (std::string& note = checked.back().note; !note.empty()) {
                note = "support " + std::to_string(checked.size() - 1) + ": " + note;
            }
        } catch (Error const& error) {
            throw Error(error.fault(), "support " + std::to_string(checked.size()) + ": " + error.what());
        }
        if (support.keypoints.size() != supports[0].keypoints.size()) {
            throw Error(Fault::kArgument, "all supports must have the same keypoints, got " +
                                              std::to_string(supports[0].keypoints.size()) + " and " +
                                              std::to_string(support.keypoints.size()) + " of them");
        }
    }
    return checked;
}

/// The links of all supports: the given ones, else a tree over the support that shows most keypoints.
Links skeleton(std::vector<Support> const& supports, std::vector<Checked> const& checked,
               std::vector<std::string>& notes)
{
    std::optional<Links> given;
    for (Support const& support : supports) {
        if (!support.links) {
            continue;
        }
        check_links(*support.links, int64_t(support.keypoints.size()));
        if (given && *given != *support.links) {
            throw Error(Fault::kArgument, "the supports have different links: a category has one skeleton");
        }
        given = support.links;
    }
    if (given) {
        return *given;
    }
    auto const shown = [](Checked const& one) {
        return std::count_if(one.visible.begin(), one.visible.end(), [](uint8_t flag) { return flag != 0; });
    };
    auto const fullest =
        std::max_element(checked.begin(), checked.end(),
                         [&](Checked const& one, Checked const& other) { return shown(one) < shown(other); });
    Points const& keypoints = supports[size_t(fullest - checked.begin())].keypoints;
    Links const tree = minimum_spanning_tree(keypoints, fullest->visible);
    notes.push_back("no links given: joined the keypoints by the shortest tree, " + links_json(tree));
    return tree;
}

/// Which keypoints the network looks for: those that some support shows, or that every one does. `notes` gets
/// which it doesn't though a support shows them.
Flags known_of(std::vector<Checked> const& checked, Model const& model, std::vector<std::string>& notes)
{
    Flags some(checked[0].visible.size(), 0), every(some.size(), 1);
    for (Checked const& one : checked) {
        for (size_t keypoint = 0; keypoint < some.size(); ++keypoint) {
            some[keypoint] |= uint8_t(one.visible[keypoint] != 0);
            every[keypoint] &= uint8_t(one.visible[keypoint] != 0);
        }
    }
    if (!model.every_support) {
        return some;
    }
    if (std::count(every.begin(), every.end(), 1) == 0) {
        throw Error(Fault::kArgument,
                    "this model looks for keypoints that every support shows, and none of " +
                        std::to_string(every.size()) + " is shown by all " + std::to_string(checked.size()) +
                        " supports: give supports that show the same ones");
    }
    std::string lost;
    for (size_t keypoint = 0; keypoint < some.size(); ++keypoint) {
        if (some[keypoint] && !every[keypoint]) {
            lost += (lost.empty() ? "" : ", ") + std::to_string(keypoint);
        }
    }
    if (!lost.empty()) {
        notes.push_back("not shown by every support, as this model needs it, so not looked for: [" + lost +
                        "]");
    }
    return every;
}

template <typename T>
void put(std::vector<uint8_t>& tensor, size_t place, std::vector<T> const& values)
{
    std::memcpy(tensor.data() + place * values.size() * sizeof(T), values.data(), values.size() * sizeof(T));
}

/// Inputs of the support graph in which every shot is black and shows no keypoint.
Tensors blank(Model const& model, Links const& links)
{
    Tensors tensors;
    for (TensorSpec const& spec : model.graphs.at("support").inputs) {
        tensors[spec.name].assign(spec.bytes(), 0);
    }
    TensorSpec const* const structure = model.structure();
    if (structure && structure->name == kReferenceIndex) {
        int64_t* index = elements<int64_t>(tensors.at(kReferenceIndex));
        for (int64_t row = 0; row < model.shots * model.keypoints; ++row) {
            for (int64_t head = 0; head < structure->shape.back(); ++head) {
                *index++ = row % model.keypoints;  // each keypoint reads around itself
            }
        }
    } else if (structure) {
        for (size_t place = 0; place < size_t(model.shots); ++place) {
            put(tensors.at(kAdjacency), place, adjacency(links, model.keypoints));
        }
    }
    return tensors;
}

void put_support(Tensors& tensors, size_t place, Support const& support, Checked const& checked,
                 Links const& links, Model const& model)
{
    Affine const matrix = crop_matrix(checked.box, model.image_size, model.crop_padding);
    Points points;
    for (size_t number = 0; number < support.keypoints.size(); ++number) {
        // A hidden keypoint lies at pixel (0, 0), whatever is given: fmmp_runtime/pose/inputs.py says why.
        Point const keypoint = checked.visible[number] ? support.keypoints[number] : Point{0, 0};
        Point const moved = transform(keypoint, matrix);
        points.push_back({moved.x / double(model.image_size), moved.y / double(model.image_size)});
    }
    Padded const padded =
        pad_keypoints(points, checked.visible, links, model.keypoints, model.pads_uniformly);
    size_t const crop = size_t(3 * model.image_size * model.image_size);
    warp(support.image, invert(matrix), model.image_size, tensors.at("support").data() + place * crop);
    put(tensors.at("keypoints"), place, padded.keypoints);
    put(tensors.at("visible"), place, padded.visible);
    TensorSpec const* const structure = model.structure();
    if (structure && structure->name == kReferenceIndex) {
        put(tensors.at(kReferenceIndex), place,
            reference_index(padded.visible, padded.links, structure->shape.back()));
    } else if (structure) {
        put(tensors.at(kAdjacency), place, adjacency(padded.links, model.keypoints));
    }
}

/// Hidden keypoints of blank shots lie at the mean of the real ones.
void fill_blanks(std::vector<uint8_t>& keypoints, size_t blanks, Model const& model)
{
    size_t const each = size_t(2 * model.keypoints), shots = size_t(model.shots);
    float* const values = elements<float>(keypoints);
    for (size_t i = 0; i < each && blanks > 0; ++i) {
        float sum = 0;
        for (size_t shot = blanks; shot < shots; ++shot) {
            sum += values[shot * each + i];
        }
        for (size_t shot = 0; shot < blanks; ++shot) {
            values[shot * each + i] = sum / float(shots - blanks);
        }
    }
}

}  // namespace

Estimator::Estimator(std::string const& bundle, Options const& options)
    : bundle_(std::make_shared<Bundle const>(Bundle::open(bundle))),
      backend_(create_backend(bundle_, options))
{
}

std::shared_ptr<SupportState const> Estimator::remember(std::vector<Support> const& supports) const
{
    Model const& model = bundle_->model;
    std::vector<Checked> const checked = check_all(supports, model);
    auto state = std::make_shared<SupportState>();
    for (Checked const& one : checked) {
        if (!one.note.empty()) {
            state->notes.push_back(one.note);
        }
    }
    state->links = skeleton(supports, checked, state->notes);
    state->known = known_of(checked, model, state->notes);
    // Blank examples fill the free places. They stand in front, because the structure is read off the last.
    Tensors tensors = blank(model, state->links);
    size_t const count = supports.size(), free = size_t(model.shots) - count;
    size_t const blanks = model.every_support ? 0 : free;
    for (size_t place = blanks; place < size_t(model.shots); ++place) {
        size_t const number = (place - blanks) % count;
        put_support(tensors, place, supports[number], checked[number], state->links, model);
    }
    fill_blanks(tensors.at("keypoints"), blanks, model);
    state->tensors = backend_->remember(tensors);
    state->shots = int64_t(supports.size());
    state->bundle = bundle_;
    return state;
}

std::shared_ptr<SupportState const> Estimator::load_state(std::string const& path) const
{
    return std::make_shared<SupportState const>(SupportState::load(path, bundle_));
}

Pose Estimator::locate(Image const& frame, std::shared_ptr<SupportState const> const& state,
                       std::optional<Box> const& box) const
{
    Model const& model = bundle_->model;
    if (state->bundle != bundle_ && state->bundle->model.state_key() != model.state_key()) {
        throw Error(Fault::kState, "this support was remembered with " + state->bundle->path + ", not with " +
                                       bundle_->path);
    }
    check_image(frame, "frame");
    Box const whole{0, 0, double(frame.width), double(frame.height)};
    Box const clipped = check_box(box ? *box : whole, frame.size());
    Affine const inverse = invert(crop_matrix(clipped, model.image_size, model.crop_padding));
    Answer const answer = backend_->locate(frame, inverse, state);

    auto const finite = [](float number) { return std::isfinite(number); };
    if (!std::all_of(answer.points.begin(), answer.points.end(), finite) ||
        !std::all_of(answer.score.begin(), answer.score.end(), finite)) {
        throw Error(Fault::kBackend,
                    bundle_->path + " gave numbers that are not finite (" + model.precision + ")");
    }
    Pose pose;
    double const size = double(model.image_size);
    for (size_t keypoint = 0; keypoint < state->known.size(); ++keypoint) {
        Point const in_crop{double(answer.points[2 * keypoint]) * size,
                            double(answer.points[2 * keypoint + 1]) * size};
        pose.keypoints.push_back(transform(in_crop, inverse));
        pose.score.push_back(state->known[keypoint] ? double(answer.score[keypoint]) : 0);
    }
    return pose;
}

}  // namespace fmmp::runtime
