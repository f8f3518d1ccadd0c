# SPDX-License-Identifier: Apache-2.0
"""SCAPE, "A Simple and Strong Category-Agnostic Pose Estimator" (ECCV 2024): attention, and a regression."""

from fmmp_train.model.scape.network import Scape, ScapeConfig

__all__ = ["Scape", "ScapeConfig"]
