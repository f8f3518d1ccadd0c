# SPDX-License-Identifier: Apache-2.0
"""SCAPE's checkpoint: its names translated to ours, its configuration read off the shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from fmmp_train.checkpoint.translation.capeformer import BACKBONES
from fmmp_train.checkpoint.translation.names import Rules, backbone_of, count, rename, shape_of
from fmmp_train.model.scape import Scape, ScapeConfig

MARK = "keypoint_head.GKP."
_BLOCK = "keypoint_head.transformer.layers.0.0.fn.fn."
_UNUSED = re.compile(r"^keypoint_head\.(position\.weight$|transformer\.layers\.\d+\.0\.fn\.fn\.expert\.)")
_DINO = "encoder_sample.patch_embed.proj.weight"
RULES: Rules = (
    (r"^encoder_sample\.", "backbone.model."),
    (r"^keypoint_head\.input_proj\.", "projection."),
    (r"^keypoint_head\.pos_embedding$", "cell_code"),
    (r"^keypoint_head\.mlp_head\.layers\.0\.", "point_head.0."),
    (r"^keypoint_head\.mlp_head\.layers\.1\.", "point_head.2."),
    (r"^keypoint_head\.GKP\.layers\.", "gatherers."),
    (r"^keypoint_head\.transformer\.layers\.", "layers."),
    (r"^((?:gatherers|layers)\.\d+)\.0\.fn\.norm\.", r"\1.norm."),
    (r"^((?:gatherers|layers)\.\d+)\.1\.fn\.norm\.", r"\1.feed_forward.0."),
    (r"^((?:gatherers|layers)\.\d+)\.1\.fn\.fn\.net\.0\.", r"\1.feed_forward.1."),
    (r"^((?:gatherers|layers)\.\d+)\.1\.fn\.fn\.net\.3\.", r"\1.feed_forward.3."),
    (r"^(gatherers\.\d+)\.0\.fn\.fn\.to_q\.", r"\1.attention.query."),
    (r"^(gatherers\.\d+)\.0\.fn\.fn\.to_k\.", r"\1.attention.key."),
    (r"^(gatherers\.\d+)\.0\.fn\.fn\.to_v\.", r"\1.attention.value."),
    (r"^(gatherers\.\d+)\.0\.fn\.fn\.to_out\.0\.", r"\1.attention.output."),
    (r"^(layers\.\d+)\.0\.fn\.fn\.to_qk_s\.", r"\1.keypoint_query_key."),
    (r"^(layers\.\d+)\.0\.fn\.fn\.to_qk_q\.", r"\1.cell_query_key."),
    (r"^(layers\.\d+)\.0\.fn\.fn\.to_v\.", r"\1.value."),
    (r"^(layers\.\d+)\.0\.fn\.fn\.to_out\.0\.", r"\1.output."),
    (r"^(layers\.\d+)\.0\.fn\.fn\.moes\.", r"\1.refiner.experts."),
    (r"^(layers\.\d+)\.0\.fn\.fn\.gates\.1\.", r"\1.refiner.gate.0."),
    (r"^(layers\.\d+)\.0\.fn\.fn\.gates\.3\.", r"\1.refiner.gate.1."),
)


def recognise(state: Mapping[str, Tensor]) -> bool:
    """Whether the parameter names are those of the released implementation."""
    return any(name.startswith(MARK) for name in state)


def load(state: Mapping[str, Tensor], *, max_keypoints: int | None) -> tuple[Scape, dict[str, Tensor]]:
    """Build the network that the shapes describe, and its parameters.

    Raises:
        ValueError: a parameter that decides the shape is missing, the backbone is none that the head fits, or
            another K than the file's is asked for.
    """
    if _DINO in state:
        raise ValueError(
            f"a SCAPE checkpoint with a DINOv2 backbone ({_DINO}): the released head is made for 8 x 8 cells "
            "of 2048 channels, so its own code can't run it either; give one with ResNet-50"
        )
    slots = shape_of(state, _BLOCK + "moes.0.3.weight")[0]
    if max_keypoints not in (None, slots):
        raise ValueError(
            f"SCAPE's weights are made for K = {slots} keypoints; K = {max_keypoints} can't be had"
        )
    config = ScapeConfig(
        backbone=backbone_of(state, "encoder_sample.", BACKBONES),
        dim=shape_of(state, "keypoint_head.input_proj.weight")[0],
        num_gatherers=count(state, r"keypoint_head\.GKP\.layers\.(\d+)\."),
        num_layers=count(state, r"keypoint_head\.transformer\.layers\.(\d+)\."),
        num_experts=shape_of(state, _BLOCK + "gates.1.weight")[0],
        max_keypoints=slots,
    )
    kept = {name: tensor for name, tensor in state.items() if not _UNUSED.match(name)}
    translated = rename(kept, RULES)
    if "cell_code" in translated:
        translated["cell_code"] = translated["cell_code"][0]
    return Scape(config), translated
