// SPDX-License-Identifier: Apache-2.0
/// fmmp.h: unpack, check for null, call, translate the error.
#include <exception>
#include <new>

#include "estimator.h"
#include "fmmp/fmmp.h"

namespace rt = fmmp::runtime;

struct fmmp_estimator {
    fmmp_estimator(char const* bundle, rt::Options const& options)
        : estimator(bundle, options), description(estimator.description())
    {
    }

    rt::Estimator estimator;
    std::string description;
};

struct fmmp_state {
    explicit fmmp_state(std::shared_ptr<rt::SupportState const> made) : state(std::move(made))
    {
        for (auto const& [start, end] : state->links) {
            links.push_back(start);
            links.push_back(end);
        }
    }

    std::shared_ptr<rt::SupportState const> state;
    std::vector<int64_t> links;
};

namespace {

static_assert(int(FMMP_INVALID_ARGUMENT) == int(rt::Fault::kArgument) + 1);
static_assert(int(FMMP_FILE_ERROR) == int(rt::Fault::kFile) + 1);
static_assert(int(FMMP_BUNDLE_ERROR) == int(rt::Fault::kBundle) + 1);
static_assert(int(FMMP_STATE_ERROR) == int(rt::Fault::kState) + 1);
static_assert(int(FMMP_BACKEND_ERROR) == int(rt::Fault::kBackend) + 1);

thread_local std::string last_error;

fmmp_status fail(fmmp_status status, char const* message) noexcept
{
    try {
        last_error = message;
    } catch (std::bad_alloc const&) {
        last_error.clear();
    }
    return status;
}

/// Run `body`; turn what it throws into a status.
template <typename Body>
fmmp_status guard(Body const& body) noexcept
{
    try {
        body();
        return FMMP_OK;
    } catch (rt::Error const& error) {
        return fail(fmmp_status(int(error.fault()) + 1), error.what());
    } catch (std::bad_alloc const&) {
        return fail(FMMP_OUT_OF_MEMORY, "out of memory");
    } catch (std::exception const& error) {
        return fail(FMMP_INTERNAL_ERROR, error.what());
    } catch (...) {
        return fail(FMMP_INTERNAL_ERROR, "unknown error");
    }
}

void require(void const* pointer, char const* name)
{
    if (!pointer) {
        throw rt::Error(rt::Fault::kArgument, std::string(name) + " must not be null");
    }
}

std::string text(char const* given)
{
    return given ? given : "";
}

rt::Image unpack(fmmp_image const& image)
{
    if (image.channels != FMMP_RGB && image.channels != FMMP_BGR) {
        throw rt::Error(rt::Fault::kArgument, "channels of an image must be FMMP_RGB or FMMP_BGR, got " +
                                                  std::to_string(int(image.channels)));
    }
    return {image.pixels, image.height, image.width, image.row_bytes,
            image.channels == FMMP_BGR ? rt::ChannelOrder::kBgr : rt::ChannelOrder::kRgb};
}

std::optional<rt::Box> unpack_box(double const* box)
{
    return box ? std::optional(rt::Box{box[0], box[1], box[2], box[3]}) : std::nullopt;
}

rt::Support unpack(fmmp_support const& given)
{
    rt::Support support{unpack(given.image), {}, {}, {}, unpack_box(given.box)};
    if (given.num_keypoints > 0) {
        require(given.keypoints_px, "keypoints_px");
    }
    for (size_t number = 0; number < given.num_keypoints; ++number) {
        support.keypoints.push_back({given.keypoints_px[2 * number], given.keypoints_px[2 * number + 1]});
        if (given.visible) {
            support.visible.push_back(given.visible[number] != 0);
        }
    }
    if (given.num_links > 0) {
        require(given.links, "links");
    }
    if (given.links) {
        support.links.emplace();
        for (size_t number = 0; number < given.num_links; ++number) {
            support.links->emplace_back(given.links[2 * number], given.links[2 * number + 1]);
        }
    }
    return support;
}

}  // namespace

char const* fmmp_version(void)
{
    return FMMP_VERSION;
}

char const* fmmp_last_error(void)
{
    return last_error.c_str();
}

fmmp_status fmmp_open(char const* bundle, fmmp_options const* options, fmmp_estimator** estimator)
{
    return guard([&] {
        require(bundle, "bundle");
        require(estimator, "estimator");
        rt::Options chosen;
        if (options) {
            chosen = {text(options->backend), options->threads, text(options->onnxruntime_library),
                      text(options->tensorrt_library), text(options->operator_folder)};
        }
        if (chosen.threads < 0) {
            throw rt::Error(rt::Fault::kArgument,
                            "threads must be at least 0, got " + std::to_string(chosen.threads));
        }
        *estimator = new fmmp_estimator(bundle, chosen);
    });
}

void fmmp_close(fmmp_estimator* estimator)
{
    delete estimator;
}

char const* fmmp_description(fmmp_estimator const* estimator)
{
    return estimator ? estimator->description.c_str() : "";
}

fmmp_status fmmp_remember(fmmp_estimator* estimator, fmmp_support const* supports, size_t num_supports,
                          fmmp_state** state)
{
    return guard([&] {
        require(estimator, "estimator");
        require(supports, "supports");
        require(state, "state");
        std::vector<rt::Support> examples;
        for (size_t number = 0; number < num_supports; ++number) {
            examples.push_back(unpack(supports[number]));
        }
        *state = new fmmp_state(estimator->estimator.remember(examples));
    });
}

fmmp_status fmmp_load_state(fmmp_estimator* estimator, char const* path, fmmp_state** state)
{
    return guard([&] {
        require(estimator, "estimator");
        require(path, "path");
        require(state, "state");
        *state = new fmmp_state(estimator->estimator.load_state(path));
    });
}

fmmp_status fmmp_save_state(fmmp_state const* state, char const* path)
{
    return guard([&] {
        require(state, "state");
        require(path, "path");
        state->state->save(path);
    });
}

void fmmp_free_state(fmmp_state* state)
{
    delete state;
}

size_t fmmp_num_keypoints(fmmp_state const* state)
{
    return state ? state->state->known.size() : 0;
}

int64_t const* fmmp_links(fmmp_state const* state, size_t* num_links)
{
    if (num_links) {
        *num_links = state ? state->links.size() / 2 : 0;
    }
    return state ? state->links.data() : nullptr;
}

fmmp_status fmmp_locate(fmmp_estimator* estimator, fmmp_image const* frame, fmmp_state const* state,
                        double const* box, fmmp_keypoint* keypoints, size_t capacity)
{
    return guard([&] {
        require(estimator, "estimator");
        require(frame, "frame");
        require(state, "state");
        require(keypoints, "keypoints");
        rt::Flags const& known = state->state->known;
        if (capacity < known.size()) {
            throw rt::Error(rt::Fault::kArgument,
                            "capacity must be at least " + std::to_string(known.size()) +
                                ", the keypoints of this category, got " + std::to_string(capacity));
        }
        rt::Pose const pose = estimator->estimator.locate(unpack(*frame), state->state, unpack_box(box));
        for (size_t number = 0; number < known.size(); ++number) {
            keypoints[number] = {pose.keypoints[number].x, pose.keypoints[number].y, pose.score[number],
                                 known[number]};
        }
    });
}
