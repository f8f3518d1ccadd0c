# SPDX-License-Identifier: Apache-2.0
"""CapeFormer's checkpoint: its names translated to ours, its configuration read off the shapes."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from fmmp_train.checkpoint.translation.names import (
    Rules,
    backbone_of,
    count,
    one_of_two,
    rename,
    shape_of,
    unpack_attention,
)
from fmmp_train.model.capeformer import CapeFormer, CapeFormerConfig

MARK = "keypoint_head.transformer.proposal_generator."  # GraphCape has it too
BACKBONES = ("resnet50", "resnet101", "resnet18", "resnet34")
HEAD_RULES: Rules = (
    (r"^keypoint_head\.input_proj\.", "query_projection."),
    (r"^keypoint_head\.query_proj\.", "support_projection."),
    (r"^keypoint_head\.kpt_branch\.(\d+)\.mlp\.", r"decoder.point_heads.\1."),
    (r"^keypoint_head\.transformer\.", ""),
    (r"^proposal_generator\.", "proposals."),
    (r"^proposals\.(support|query)_proj\.", r"proposals.\1."),
    (r"^proposals\.dynamic_proj\.", "proposals.gate."),
    (r"^decoder\.ref_point_head\.layers\.0\.", "decoder.place.0."),
    (r"^decoder\.ref_point_head\.layers\.1\.", "decoder.place.2."),
    (r"^encoder\.layers\.(\d+)\.self_attn\.", r"encoder.layers.\1.attention."),
    (r"^decoder\.layers\.(\d+)\.self_attn\.", r"decoder.layers.\1.self_attention."),
    (r"^decoder\.layers\.(\d+)\.multihead_attn\.", r"decoder.layers.\1.cross_attention."),
    (r"\.linear([12])\.", r".feed_forward.linear\1."),
)


def recognise(state: Mapping[str, Tensor]) -> bool:
    """Whether the parameter names are those of the released implementation."""
    return any(name.startswith(MARK) for name in state) and any(
        name.startswith("encoder_sample.") for name in state
    )


def load(state: Mapping[str, Tensor], *, max_keypoints: int | None) -> tuple[CapeFormer, dict[str, Tensor]]:
    """Build the network that the shapes describe, and its parameters.

    Raises:
        ValueError: a parameter that decides the shape is missing, or the backbone is none we know.
    """
    state = one_of_two(state, "encoder_sample.", "encoder_query.")
    encoder = "keypoint_head.transformer.encoder.layers."
    config = CapeFormerConfig(
        backbone=backbone_of(state, "encoder_sample.", BACKBONES),
        dim=shape_of(state, "keypoint_head.query_proj.weight")[0],
        num_layers=count(state, encoder.replace(".", r"\.") + r"(\d+)\."),
        feed_forward=shape_of(state, encoder + "0.linear1.weight")[0],
        max_keypoints=max_keypoints or CapeFormerConfig.max_keypoints,
    )
    rules = ((r"^encoder_sample\.", "backbone.model."), *HEAD_RULES)
    return CapeFormer(config), unpack_attention(rename(state, rules))
