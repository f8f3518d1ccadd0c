# SPDX-License-Identifier: Apache-2.0
"""CapeFormer, "Matching Is Not Enough" (CVPR 2023): match, then refine."""

from fmmp_train.model.capeformer.config import CapeFormerConfig
from fmmp_train.model.capeformer.network import CapeFormer

__all__ = ["CapeFormer", "CapeFormerConfig"]
