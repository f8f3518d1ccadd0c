# SPDX-License-Identifier: Apache-2.0
"""ESCAPE, "Encoding Super-keypoints for Category-Agnostic Pose Estimation" (CVPR 2024), and its baseline."""

from fmmp_train.model.escape.network import Escape, EscapeConfig

__all__ = ["Escape", "EscapeConfig"]
