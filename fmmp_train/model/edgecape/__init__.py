# SPDX-License-Identifier: Apache-2.0
"""EdgeCape, "Edge Weight Prediction For Category-Agnostic Pose Estimation": GraphCape with learned links."""

from fmmp_train.model.edgecape.network import EdgeCape, EdgeCapeConfig

__all__ = ["EdgeCape", "EdgeCapeConfig"]
