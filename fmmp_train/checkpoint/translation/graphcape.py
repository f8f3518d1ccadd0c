# SPDX-License-Identifier: Apache-2.0
"""GraphCape's checkpoint (PoseAnything): names translated to ours, configuration read off the shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from fmmp_train.checkpoint.translation.capeformer import BACKBONES, HEAD_RULES, MARK
from fmmp_train.checkpoint.translation.names import (
    Rules,
    backbone_of,
    count,
    rename,
    shape_of,
    unpack_attention,
)
from fmmp_train.model.graphcape import GraphCape, GraphCapeConfig

SWINS = ("swinv2_tiny_window16_256", "swinv2_small_window16_256")
_GRAPH = "keypoint_head.transformer.decoder.layers.0.ffn1.conv.weight"
# Swin's tables follow from its shape; its classifier is stored and never used.
_DROPPED = re.compile(r"^backbone\.(head\.|.*(attn_mask|relative_coords_table|relative_position_index)$)")
RULES: Rules = (
    *HEAD_RULES,
    (r"^backbone\.", "backbone.model."),
    (r"\.ffn2\.", ".feed_forward.output."),
)


def recognise(state: Mapping[str, Tensor]) -> bool:
    """Whether the parameter names are those of the released implementation, with a graph or without."""
    return any(name.startswith(MARK) for name in state) and any(
        name.startswith("backbone.") for name in state
    )


def load(state: Mapping[str, Tensor], *, max_keypoints: int | None) -> tuple[GraphCape, dict[str, Tensor]]:
    """Build the network that the shapes describe, and its parameters.

    Raises:
        ValueError: a parameter that decides the shape is missing, the backbone is none we know, or the file
            is of a configuration without a graph, of which no weights are published.
    """
    hidden = shape_of(state, _GRAPH)[0] // 2
    state = {_timm_name(name): tensor for name, tensor in state.items() if not _DROPPED.match(name)}
    is_swin = "backbone.patch_embed.proj.weight" in state
    config = GraphCapeConfig(
        backbone=backbone_of(state, "backbone.", SWINS if is_swin else BACKBONES),
        dim=shape_of(state, "keypoint_head.query_proj.weight")[0],
        num_layers=count(state, r"keypoint_head\.transformer\.encoder\.layers\.(\d+)\."),
        feed_forward=hidden,
        upsample=2 if is_swin else 1,
        max_keypoints=max_keypoints or GraphCapeConfig.max_keypoints,
    )
    return GraphCape(config), split_graph(unpack_attention(rename(state, RULES)))


def split_graph(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The one convolution of own and neighbours' parts as our two linear layers."""
    split: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if match := re.fullmatch(r"(.*\.)ffn1\.conv\.(weight|bias)", name):
            prefix, kind = match.groups()
            for part, rows in zip(("own", "neighbour"), tensor.chunk(2), strict=True):
                split[f"{prefix}feed_forward.{part}.{kind}"] = rows.flatten(1) if kind == "weight" else rows
        else:
            split[name] = tensor
    return split


def _timm_name(name: str) -> str:
    """Swin merges cells at the end of a stage, timm's at the start of the next."""
    return re.sub(r"^(backbone\.layers\.)(\d+)(\.downsample)", lambda m: f"{m[1]}{int(m[2]) + 1}{m[3]}", name)
