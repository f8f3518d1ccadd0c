# SPDX-License-Identifier: Apache-2.0
"""Run FMMP without torch: from a support image with keypoints to poses in any other image."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fmmp_runtime.annotation.reader import read_annotation
    from fmmp_runtime.estimator import Pose, PoseEstimator, Support
    from fmmp_runtime.media.draw import draw_pose
    from fmmp_runtime.media.image import read_image
    from fmmp_runtime.support_state import SupportState

__all__ = ["Pose", "PoseEstimator", "Support", "SupportState", "draw_pose", "read_annotation", "read_image"]

_HOMES = {
    "Pose": "estimator",
    "PoseEstimator": "estimator",
    "Support": "estimator",
    "SupportState": "support_state",
    "draw_pose": "media.draw",
    "read_annotation": "annotation",
    "read_image": "media.image",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # whatever the name stands for
    """Import on first use: `fmmp_runtime.pose` needs numpy alone, and --help is instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fmmp_runtime' has no attribute {name!r}")
    return getattr(import_module(f"fmmp_runtime.{_HOMES[name]}"), name)
