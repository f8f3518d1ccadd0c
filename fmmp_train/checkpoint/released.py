# SPDX-License-Identifier: Apache-2.0
"""The released checkpoint: its parameter names translated to ours, its configuration read off the shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import timm
import torch
from torch import Tensor

from fmmp_train.model import ModelConfig, Network

INNER_HEADS = 8  # of self-attention and of each structure head; no shape says it
MARK = "predictor.support_layers.0."  # every released checkpoint has it, none of ours
BACKBONES = ("resnet50", "resnet101", "resnet152", "resnet18", "resnet34")
UNREAD = "num_batches_tracked"  # how many batches were seen: older files lack it, and nothing reads it
_RULES = (
    (r"^backbone_projs\.(\d+)\.0\.", r"pyramid.lateral.\1."),
    (r"^predictor\.pos_embed_proj\.layers\.0\.", "position_code.mlp.0."),
    (r"^predictor\.pos_embed_proj\.layers\.1\.", "position_code.mlp.2."),
    (r"^predictor\.kpt_branch\.(\d+)\.mlp\.", r"point_heads.\1."),
    (r"^predictor\.support_layers\.", "support_miners."),
    (r"^predictor\.decoder_layers\.", "query_miners."),
    (r"\.self_attn\.out_proj\.", ".self_attention.output."),
    (r"\.self_norm1\.", ".self_norm."),
    (r"\.self_linear([12])\.", r".self_feed_forward.linear\1."),
    (r"\.self_norm2\.", ".self_feed_forward.norm."),
    (r"\.deform_attn\.attn_layers\.", ".structure.heads."),
    (r"\.deform_attn\.projector\.0\.", ".structure.projector."),
    (r"\.norm1\.", ".norm."),
    (r"(_miners\.\d+)\.linear([12])\.", r"\1.feed_forward.linear\2."),
    (r"(_miners\.\d+)\.norm2\.", r"\1.feed_forward.norm."),
)


def is_released(state: Mapping[str, Tensor]) -> bool:
    """Whether the parameter names are those of the released implementation."""
    return any(name.startswith(MARK) for name in state)


def load(state: Mapping[str, Tensor], *, max_keypoints: int | None) -> tuple[Network, dict[str, Tensor]]:
    """Build the network that the shapes describe, and its parameters."""
    config = infer_config(state, max_keypoints=max_keypoints or ModelConfig.max_keypoints)
    return Network(config), translate(state)


def translate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the released parameters to ours, and split the packed self-attention projections.

    Names that no rule knows stay as they are, so that loading can report them.
    """
    ours: dict[str, Tensor] = {}
    for released, tensor in state.items():
        name = released
        if not name.startswith("backbone."):
            for pattern, replacement in _RULES:
                name = re.sub(pattern, replacement, name)
        if match := re.fullmatch(r"(.*)\.self_attn\.in_proj_(weight|bias)", name):
            prefix, kind = match.groups()
            split = 2 * tensor.shape[0] // 3 if tensor.ndim else 0  # query and key rows, then value rows
            if not split:
                raise ValueError(f"{released} must be query, key and value rows, found {tuple(tensor.shape)}")
            ours[f"{prefix}.self_attention.query_key.{kind}"] = tensor[:split]
            ours[f"{prefix}.self_attention.value.{kind}"] = tensor[split:]
        else:
            ours[name] = tensor
    return ours


def infer_config(state: Mapping[str, Tensor], *, max_keypoints: int = 70) -> ModelConfig:
    """Read the shape of the network off the released names and shapes; K is in no weight and is given.

    Raises:
        ValueError: a parameter that decides the shape is missing, or the backbone is none we know.
    """
    head = MARK + "deform_attn.attn_layers.0."
    for name, rank in ((MARK + "norm1.weight", 1), (head + "attention_weights.weight", 2)):
        if name not in state:
            raise ValueError(f"checkpoint lacks {name}, which says the shape of the network")
        if state[name].ndim != rank:
            shape = tuple(state[name].shape)
            raise ValueError(f"{name} says the shape of the network: expected {rank} axes, found {shape}")
    reads = state[head + "attention_weights.weight"].shape[0]  # inner heads x 3 levels x points
    return ModelConfig(
        backbone=_backbone_of(state),
        dim=state[MARK + "norm1.weight"].shape[0],
        num_heads=_count(state, MARK + r"deform_attn\.attn_layers\.(\d+)\."),
        inner_heads=INNER_HEADS,
        num_points=reads // (3 * INNER_HEADS),
        num_layers=_count(state, r"predictor\.support_layers\.(\d+)\."),
        max_keypoints=max_keypoints,
    )


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return len({match[1] for name in state if (match := re.match(pattern, name))})


def _backbone_of(state: Mapping[str, Tensor]) -> str:
    """Name the ResNet whose parameters these are: the same names with the same shapes."""
    found = {n.removeprefix("backbone."): t.shape for n, t in state.items() if n.startswith("backbone.")}
    found = {name: shape for name, shape in found.items() if not name.endswith(UNREAD)}
    for name in BACKBONES:
        with torch.device("meta"):
            candidate = timm.create_model(name, features_only=True, pretrained=False, out_indices=(2, 3, 4))
        if {n: t.shape for n, t in candidate.state_dict().items() if not n.endswith(UNREAD)} == found:
            return name
    raise ValueError(
        f"the checkpoint's backbone ({len(found)} tensors) is none of {', '.join(BACKBONES)}; "
        "convert it to a file of ours with save_model, which names its backbone"
    )
