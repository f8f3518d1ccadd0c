# SPDX-License-Identifier: Apache-2.0
"""MetaPoint's checkpoint: its names translated to ours, its configuration read off the shapes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fmmp_train.checkpoint.translation.capeformer import BACKBONES
from fmmp_train.checkpoint.translation.names import (
    Rules,
    backbone_of,
    count,
    rename,
    shape_of,
    unpack_attention,
)
from fmmp_train.model.metapoint import MetaPoint, MetaPointConfig

MARK = "meta_point_embed.weight"
_ENCODER = "qfeatmap_enhancer.encoder.layers."
RULES: Rules = (
    (r"^meta_point_embed\.weight$", "meta_points"),
    (r"^input_proj\.", "levels."),
    (r"^skfeat_layer_proj\.", "support_projection."),
    (r"^enhance_sk_w_meta_proj\.", "fusion."),
    (r"^qfeatmap_enhancer\.input_proj\.", "cell_projection."),
    (r"^qfeatmap_enhancer\.encoder\.layers\.(\d+)\.self_attn\.", r"encoder.layers.\1.attention."),
    (r"^qfeatmap_enhancer\.", ""),
    (r"^ref_decoder\.", "refine_decoder."),
    (r"decoder\.enc_layers\.(\d+)\.self_attn\.", r"decoder.layers.\1.deformable."),
    (r"decoder\.enc_layers\.", "decoder.layers."),
    (r"decoder\.self_att_layers\.(\d+)\.", r"decoder.layers.\1.self_attention."),
    (r"decoder\.self_att_norms\.(\d+)\.", r"decoder.layers.\1.self_norm."),
    (r"decoder\.point_heads\.(\d+)\.mlp\.", r"decoder.layers.\1.point_head."),
    (r"\.linear([12])\.", r".feed_forward.linear\1."),
)


def recognise(state: Mapping[str, Tensor]) -> bool:
    """Whether the parameter names are those of the released implementation."""
    return MARK in state


def load(state: Mapping[str, Tensor], *, max_keypoints: int | None) -> tuple[MetaPoint, dict[str, Tensor]]:
    """Build the network that the shapes describe, and its parameters.

    Raises:
        ValueError: a parameter that decides the shape is missing, or the backbone is none we know.
    """
    meta_points, dim = shape_of(state, MARK)
    config = MetaPointConfig(
        backbone=backbone_of(state, "backbone.", BACKBONES),
        dim=dim,
        num_meta_points=meta_points,
        num_layers=count(state, r"meta_decoder\.enc_layers\.(\d+)\."),
        feed_forward=shape_of(state, _ENCODER + "0.linear1.weight")[0],
        max_keypoints=max_keypoints or MetaPointConfig.max_keypoints,
    )
    return MetaPoint(config), unpack_attention(rename(state, RULES))
