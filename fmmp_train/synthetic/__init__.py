# SPDX-License-Identifier: Apache-2.0
"""Unlimited synthetic categories: textured articulated objects with keypoints and links."""

from fmmp_train.synthetic.bank import TextureBank, default_bank
from fmmp_train.synthetic.category import Rendering, SyntheticCategory

__all__ = ["Rendering", "SyntheticCategory", "TextureBank", "default_bank"]
