# SPDX-License-Identifier: Apache-2.0
"""MetaPoint, "Meta-Point Learning and Refining" (CVPR 2024): points of any object, assigned, then refined."""

from fmmp_train.model.metapoint.network import MetaPoint, MetaPointConfig

__all__ = ["MetaPoint", "MetaPointConfig"]
