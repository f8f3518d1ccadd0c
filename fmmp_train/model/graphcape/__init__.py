# SPDX-License-Identifier: Apache-2.0
"""GraphCape, "A Graph-Based Approach for Category-Agnostic Pose Estimation" (ECCV 2024)."""

from fmmp_train.model.graphcape.network import GraphCape, GraphCapeConfig

__all__ = ["GraphCape", "GraphCapeConfig"]
