# SPDX-License-Identifier: Apache-2.0
"""Keypoints before and after the network: padding, skeleton, crop, metric. Numpy only.

Training, evaluation and deployment share this code.
"""

from fmmp_runtime.pose.crop import (
    CROP_PADDING,
    box_around,
    crop_matrix,
    invert_matrix,
    sanitize_box,
    transform_points,
    whole_box,
)
from fmmp_runtime.pose.errors import AnnotationError, BoxError, KeypointError, LinkError
from fmmp_runtime.pose.inputs import (
    InputConfig,
    Inputs,
    ShownBy,
    Structure,
    crop_keypoints,
    stack_inputs,
    support_inputs,
)
from fmmp_runtime.pose.metrics import (
    AREA_LIMIT,
    CORRECT_WITHIN,
    THRESHOLDS,
    MeanPck,
    mean_pck,
    pck,
    pck_area,
    relative_error,
)
from fmmp_runtime.pose.padding import METHODS, PADDING_SEED, Method, draw_mixup, pad_alike, pad_keypoints
from fmmp_runtime.pose.skeleton import adjacency, keypoint_count, minimum_spanning_tree, reference_index
from fmmp_runtime.pose.validation import (
    as_numbers,
    check_box,
    check_links,
    check_support,
    refuse_fractions,
    widen_box,
)

__all__ = [
    "AREA_LIMIT",
    "CORRECT_WITHIN",
    "CROP_PADDING",
    "METHODS",
    "PADDING_SEED",
    "THRESHOLDS",
    "AnnotationError",
    "BoxError",
    "InputConfig",
    "Inputs",
    "KeypointError",
    "LinkError",
    "MeanPck",
    "Method",
    "ShownBy",
    "Structure",
    "adjacency",
    "as_numbers",
    "box_around",
    "check_box",
    "check_links",
    "check_support",
    "crop_keypoints",
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
    "refuse_fractions",
    "relative_error",
    "sanitize_box",
    "stack_inputs",
    "support_inputs",
    "transform_points",
    "whole_box",
    "widen_box",
]
