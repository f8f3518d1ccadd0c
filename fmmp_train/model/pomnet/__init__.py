# SPDX-License-Identifier: Apache-2.0
"""POMNet, "Pose for Everything" (ECCV 2022): a heat map for each keypoint token."""

from fmmp_train.model.pomnet.network import PomNet, PomNetConfig

__all__ = ["PomNet", "PomNetConfig"]
