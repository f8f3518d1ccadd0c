# SPDX-License-Identifier: Apache-2.0
"""Keypoints before and after the network: padding, skeleton, crop, metric. Numpy only.

Training, evaluation and deployment share this code.
"""

from fmmp_runtime.pose.crop import CROP_PADDING, crop_matrix, invert_matrix, sanitize_box, transform_points
from fmmp_runtime.pose.errors import AnnotationError, BoxError, KeypointError, LinkError
from fmmp_runtime.pose.metrics import AREA_LIMIT, THRESHOLDS, MeanPck, mean_pck, pck, pck_area, relative_error
from fmmp_runtime.pose.padding import METHODS, PADDING_SEED, Method, draw_mixup, pad_alike, pad_keypoints
from fmmp_runtime.pose.skeleton import keypoint_count, minimum_spanning_tree, reference_index
from fmmp_runtime.pose.validation import check_box, check_links, check_support

__all__ = [
    "AREA_LIMIT",
    "CROP_PADDING",
    "METHODS",
    "PADDING_SEED",
    "THRESHOLDS",
    "AnnotationError",
    "BoxError",
    "KeypointError",
    "LinkError",
    "MeanPck",
    "Method",
    "check_box",
    "check_links",
    "check_support",
    "crop_matrix",
    "draw_mixup",
    "invert_matrix",
    "keypoint_count",
    "mean_pck",
    "minimum_spanning_tree",
    "pad_alike",
    "pad_keypoints",
    "pck",
    "pck_area",
    "reference_index",
    "relative_error",
    "sanitize_box",
    "transform_points",
]
