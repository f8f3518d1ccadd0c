# SPDX-License-Identifier: Apache-2.0
"""Small networks of the kinds that timm has only large ones of, under names that timm then knows.

`tiny_swinv2` gives maps with channels last; `tiny_dinov2` is plain, with patches of 14 pixels and a
table of positions made for 518.
"""

from __future__ import annotations

from typing import Any

from timm.models import register_model
from timm.models.swin_transformer_v2 import SwinTransformerV2, _create_swin_transformer_v2
from timm.models.vision_transformer import VisionTransformer, _create_vision_transformer

HIERARCHICAL, PLAIN = "tiny_swinv2", "tiny_dinov2"


@register_model
def tiny_swinv2(pretrained: bool = False, **settings: Any) -> SwinTransformerV2:  # noqa: ANN401
    """Swin V2 of one block a stage."""
    shape = {"window_size": 4, "embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 2, 4)}
    model: SwinTransformerV2 = _create_swin_transformer_v2(
        "swinv2_tiny_window8_256", pretrained=pretrained, **(shape | settings)
    )
    return model


@register_model
def tiny_dinov2(pretrained: bool = False, **settings: Any) -> VisionTransformer:  # noqa: ANN401
    """DINOv2 of three blocks."""
    shape = {
        "patch_size": 14,
        "embed_dim": 16,
        "depth": 3,
        "num_heads": 2,
        "init_values": 1e-5,
        "img_size": 518,
    }
    model: VisionTransformer = _create_vision_transformer(
        "vit_small_patch14_dinov2", pretrained=pretrained, **(shape | settings)
    )
    return model
