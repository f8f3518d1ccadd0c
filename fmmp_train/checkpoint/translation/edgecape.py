# SPDX-License-Identifier: Apache-2.0
"""EdgeCape's checkpoint: its names translated to ours, its configuration read off the shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from fmmp_train.checkpoint.translation.capeformer import HEAD_RULES
from fmmp_train.checkpoint.translation.graphcape import split_graph
from fmmp_train.checkpoint.translation.names import (
    Rules,
    count,
    one_of_two,
    rename,
    shape_of,
    unpack_attention,
)
from fmmp_train.model.edgecape import EdgeCape, EdgeCapeConfig

MARK = "keypoint_head_module.skeleton_head."
_ENCODER = "keypoint_head_module.transformer.encoder.layers."
_TABLE = "encoder_query.pos_embed"
_UNUSED = re.compile(r".*mask_token$|^keypoint_head_module\.skeleton_head\.(k_proj|q_proj|mh_linear)\.")
RULES: Rules = (
    (r"^encoder_query\.", "backbone.model."),
    (r"^keypoint_head_module\.", "keypoint_head."),
    (r"^keypoint_head\.skeleton_head\.skeleton_predictor\.", "skeleton.layers."),
    (r"^keypoint_head\.skeleton_head\.image_project\.", "skeleton.projection."),
    (r"^keypoint_head\.skeleton_head\.zero_conv\.", "skeleton.likeness_"),
    (r"^(skeleton\.layers\.\d+)\.self_attn\.", r"\1.self_attention."),
    (r"^(skeleton\.layers\.\d+)\.multihead_attn\.", r"\1.cross_attention."),
    (r"^(skeleton\.layers\.\d+)\.cross_attn_image_to_token\.", r"\1.answer."),
    (r"^(skeleton\.layers\.\d+)\.cross_attn_image_to_token_choker\.", r"\1.answer_choker."),
    (r"\.self_attn\.markov_structural_mlp\.0\.", ".distance.0."),
    (r"\.self_attn\.markov_structural_mlp\.3\.", ".distance.2."),
    (r"\.self_attn\.q_proj\.", ".self_attn.query."),
    (r"\.self_attn\.k_proj\.", ".self_attn.key."),
    (r"\.self_attn\.v_proj\.", ".self_attn.value."),
    *HEAD_RULES,
    (r"\.ffn2\.", ".feed_forward.output."),
)


def recognise(state: Mapping[str, Tensor]) -> bool:
    """Whether the parameter names are those of the released implementation."""
    return any(name.startswith(MARK) for name in state)


def load(state: Mapping[str, Tensor], *, max_keypoints: int | None) -> tuple[EdgeCape, dict[str, Tensor]]:
    """Build the network that the shapes describe, and its parameters.

    Raises:
        ValueError: a parameter that decides the shape is missing, or its two backbones differ.
    """
    state = one_of_two(state, "encoder_query.", "encoder_sample.")
    config = EdgeCapeConfig(
        dim=shape_of(state, "keypoint_head_module.query_proj.weight")[0],
        num_layers=count(state, _ENCODER.replace(".", r"\.") + r"(\d+)\."),
        feed_forward=shape_of(state, _ENCODER + "0.linear1.weight")[0],
        max_keypoints=max_keypoints or EdgeCapeConfig.max_keypoints,
    )
    network = EdgeCape(config)
    kept = {name: tensor for name, tensor in state.items() if not _UNUSED.match(name)}
    shape_of(kept, _TABLE)
    kept[_TABLE] = resize_positions(kept[_TABLE], network.size[0])
    translated = split_graph(unpack_attention(rename(kept, RULES)))
    for name in ("skeleton.likeness_weight", "skeleton.likeness_bias"):  # a convolution of one number
        if name in translated:
            translated[name] = translated[name].reshape(())
    return network, translated


def resize_positions(table: Tensor, side: int) -> Tensor:
    """A table (1, 1 + H * H, C) of positions as DINOv2's own code resizes it: by a factor, not to a size.

    The entry of the class token stays. 0.1 cells are added before the factor is taken: all samples shift.
    """
    before = round((table.shape[1] - 1) ** 0.5)
    cells = table[:, 1:].mT.reshape(1, -1, before, before)
    resized = F.interpolate(cells, scale_factor=(side + 0.1) / before, mode="bicubic")
    return torch.cat((table[:, :1], resized.flatten(2).mT), dim=1)
