# SPDX-License-Identifier: Apache-2.0
"""POMNet's checkpoint: its names translated to ours, its configuration read off the shapes."""

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
from fmmp_train.model.pomnet import PomNet, PomNetConfig

MARK = "keypoint_head.relation_model."
_ENCODER = "keypoint_head.transformer.encoder.layers."
RULES: Rules = (
    (r"^encoder_sample\.", "support_backbone.model."),
    (r"^encoder_query\.", "query_backbone.model."),
    (r"^keypoint_head\.input_proj\.", "query_projection."),
    (r"^keypoint_head\.query_proj\.", "support_projection."),
    (r"^keypoint_head\.relation_model\.conv\.conv\.", "relation.0."),
    (r"^keypoint_head\.relation_model\.conv\.bn\.", "relation.1."),
    (r"^keypoint_head\.deconv_layers\.", "upsample."),
    (r"^keypoint_head\.final_layer\.", "output."),
    (r"^keypoint_head\.transformer\.decoder\.post_norm\.", "norm."),
    (r"^keypoint_head\.transformer\.(encoder|decoder)\.layers\.", r"\1."),
    (r"^(encoder\.\d+)\.attentions\.0\.attn\.", r"\1.attention."),
    (r"^(decoder\.\d+)\.attentions\.0\.attn\.", r"\1.self_attention."),
    (r"^(decoder\.\d+)\.attentions\.1\.attn\.", r"\1.cross_attention."),
    (r"\.ffns\.0\.layers\.0\.0\.", ".feed_forward.linear1."),
    (r"\.ffns\.0\.layers\.1\.", ".feed_forward.linear2."),
    (r"\.norms\.0\.", ".norm1."),
    (r"\.norms\.1\.", ".norm2."),
    (r"\.norms\.2\.", ".norm3."),
)


def recognise(state: Mapping[str, Tensor]) -> bool:
    """Whether the parameter names are those of the released implementation."""
    return any(name.startswith(MARK) for name in state)


def load(state: Mapping[str, Tensor], *, max_keypoints: int | None) -> tuple[PomNet, dict[str, Tensor]]:
    """Build the network that the shapes describe, and its parameters.

    Raises:
        ValueError: a parameter that decides the shape is missing, or the backbone is none we know.
    """
    config = PomNetConfig(
        backbone=backbone_of(state, "encoder_sample.", BACKBONES),
        dim=shape_of(state, "keypoint_head.query_proj.weight")[0],
        num_layers=count(state, _ENCODER.replace(".", r"\.") + r"(\d+)\."),
        feed_forward=shape_of(state, _ENCODER + "0.ffns.0.layers.0.0.weight")[0],
        max_keypoints=max_keypoints or PomNetConfig.max_keypoints,
    )
    return PomNet(config), unpack_attention(rename(state, RULES))
