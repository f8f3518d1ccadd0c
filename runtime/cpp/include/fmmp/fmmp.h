/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FMMP_FMMP_H
#define FMMP_FMMP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Locate the keypoints of any category: remember annotated examples once, then look at any number of frames.
 *
 * A function that can fail returns a status; the message of the last failure on this thread is in
 * `fmmp_last_error`. Its outputs are then unchanged, and the objects it was given work on as before. Any
 * number of threads may use one estimator and one state at once. No exception leaves this library.
 */

#if defined(FMMP_BUILDING) && defined(__GNUC__)
#define FMMP_API __attribute__((visibility("default")))
#else
#define FMMP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fmmp_status {
    FMMP_OK = 0,
    FMMP_INVALID_ARGUMENT = 1, /* a frame, annotation, box or option that cannot be used */
    FMMP_FILE_ERROR = 2,       /* a file that is missing, or cannot be read or written */
    FMMP_BUNDLE_ERROR = 3,     /* a bundle that is incomplete, changed, or of another format */
    FMMP_STATE_ERROR = 4,      /* a support state that is broken, or of another bundle */
    FMMP_BACKEND_ERROR = 5,    /* a backend that cannot load or run the bundle here */
    FMMP_OUT_OF_MEMORY = 6,
    FMMP_INTERNAL_ERROR = 7 /* a mistake in this library */
} fmmp_status;

typedef enum fmmp_channels { FMMP_RGB = 0, FMMP_BGR = 1 } fmmp_channels;

/* A bundle, ready to run. */
typedef struct fmmp_estimator fmmp_estimator;

/* A remembered category. It may outlive the estimator. */
typedef struct fmmp_state fmmp_state;

/* Start from all zeros: every field has a default. */
typedef struct fmmp_options {
    char const* backend;             /* "onnxruntime" or "tensorrt"; NULL or "auto": the best one here */
    int32_t threads;                 /* of a run on the CPU; 0: one a physical core */
    char const* onnxruntime_library; /* path of libonnxruntime.so; NULL: found as docs/cpp.md says */
    char const* tensorrt_library;    /* path of libnvinfer.so; NULL: likewise */
    char const* operator_folder;     /* of libfmmp_onnxruntime.so and libfmmp_tensorrt.so; NULL: likewise */
} fmmp_options;

/* An image of 8 bits a channel, 3 channels a pixel. It is only read while a function runs. */
typedef struct fmmp_image {
    uint8_t const* pixels; /* of the upper left corner */
    int32_t width, height;
    int64_t row_bytes; /* from one row to the next; at least 3 * width */
    fmmp_channels channels;
} fmmp_image;

/* One annotated example of a category. Pixels are those of its image. */
typedef struct fmmp_support {
    fmmp_image image;
    double const* keypoints_px; /* num_keypoints times x, y */
    uint8_t const* visible;     /* num_keypoints flags; NULL: all are */
    size_t num_keypoints;
    int64_t const*
        links; /* num_links pairs of keypoint indices; NULL: the shortest tree over the keypoints */
    size_t num_links;
    double const* box; /* x, y, width, height of the object; NULL: around the keypoints */
} fmmp_support;

typedef struct fmmp_keypoint {
    double x, y;   /* pixels of the frame */
    double score;  /* in [0, 1]; 0 for one that no support shows */
    int32_t known; /* 1 if a support shows it; the others are guesses */
} fmmp_keypoint;

/* Version of this library. */
FMMP_API char const* fmmp_version(void);

/* What went wrong last on this thread: what was expected, what came, and what to do. Never NULL. */
FMMP_API char const* fmmp_last_error(void);

/* Open the folder that fmmp-export wrote. Options may be NULL. */
FMMP_API fmmp_status fmmp_open(char const* bundle, fmmp_options const* options, fmmp_estimator** estimator);

/* NULL is allowed. No other thread may use it any more. */
FMMP_API void fmmp_close(fmmp_estimator* estimator);

/* What was chosen, for people: versions, and which operator kernel. Lives as long as the estimator. */
FMMP_API char const* fmmp_description(fmmp_estimator const* estimator);

/* Learn a category from 1 to S examples, S the shots of the bundle; runs the support graph once. */
FMMP_API fmmp_status fmmp_remember(fmmp_estimator* estimator, fmmp_support const* supports,
                                   size_t num_supports, fmmp_state** state);

/* Read a category from a file that fmmp_save_state or fmmp-run --save-state wrote with this bundle. */
FMMP_API fmmp_status fmmp_load_state(fmmp_estimator* estimator, char const* path, fmmp_state** state);

/* The file is complete or not there. */
FMMP_API fmmp_status fmmp_save_state(fmmp_state const* state, char const* path);

/* NULL is allowed. No other thread may use it any more. */
FMMP_API void fmmp_free_state(fmmp_state* state);

/* Number of keypoints of the category. */
FMMP_API size_t fmmp_num_keypoints(fmmp_state const* state);

/* The category's links, two keypoint indices each, which live as long as the state. */
FMMP_API int64_t const* fmmp_links(fmmp_state const* state, size_t* num_links);

/*
 * Find the remembered category in a frame.
 *
 * box: x, y, width, height of the object in pixels; NULL: the whole frame.
 * keypoints: room for `capacity` of them, at least fmmp_num_keypoints(state).
 */
FMMP_API fmmp_status fmmp_locate(fmmp_estimator* estimator, fmmp_image const* frame, fmmp_state const* state,
                                 double const* box, fmmp_keypoint* keypoints, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
