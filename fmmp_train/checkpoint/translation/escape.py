# SPDX-License-Identifier: Apache-2.0
"""ESCAPE's checkpoint, and its baseline's: names translated to ours, configuration read off the shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from fmmp_train.checkpoint.translation.capeformer import BACKBONES
from fmmp_train.checkpoint.translation.names import Rules, backbone_of, count, rename, shape_of
from fmmp_train.model.escape import Escape, EscapeConfig

MARK = "deconv.deconv_layers."
BASELINE = "keypoint_head.keypoints"  # vectors of the training set's keypoints: not needed for others
SUPER = "keypoint_head.superkeypoints"
_LAYERS = "keypoint_head.matching_network.GAT.layers."
# A layer's parts in the released order: keypoints and super-keypoints among themselves, then crosswise.
_PARTS = ("self_x", "inner_x", "self_y", "inner_y", "cross_x", "outer_x", "cross_y", "outer_y")
RULES: Rules = (
    (r"^backbone\.", "features.0.model."),
    (r"^deconv\.deconv_layers\.", "features.1."),
    (r"^keypoint_head\.superkeypoints$", "super_keypoints"),
    (r"^keypoint_head\.omega$", "omega"),
    (r"^keypoint_head\.matching_network\.", "matcher."),
    (r"^matcher\.bin_score$", "bin_score"),
    (r"^matcher\.backbone\.", "matcher_features.0.model."),
    (r"^matcher\.deconv\.deconv_layers\.", "matcher_features.1."),
    (r"^matcher\.to_embedding1\.", "matcher.embed_x."),
    (r"^matcher\.to_embedding2\.", "matcher.embed_y."),
    (r"^matcher\.GAT\.", "matcher."),
    *((rf"^(matcher\.layers\.\d+)\.{number}\.", rf"\1.{part}.") for number, part in enumerate(_PARTS)),
    (r"\.net\.", "."),
    (r"\.to_q\.", ".attention.query."),
    (r"\.to_k\.", ".attention.key."),
    (r"\.to_v\.", ".attention.value."),
    (r"\.to_out\.", ".attention.output."),
)


def recognise(state: Mapping[str, Tensor]) -> bool:
    """Whether the parameter names are those of the released implementation."""
    return any(name.startswith(MARK) for name in state) and (BASELINE in state or SUPER in state)


def load(state: Mapping[str, Tensor], *, max_keypoints: int | None) -> tuple[Escape, dict[str, Tensor]]:
    """Build the network that the shapes describe, and its parameters.

    Raises:
        ValueError: a parameter that decides the shape is missing, or the backbone is none we know.
    """
    is_baseline = SUPER not in state
    layers = count(state, _LAYERS.replace(".", r"\.") + r"(\d+)\.")
    config = EscapeConfig(
        backbone=backbone_of(state, "backbone.", BACKBONES),
        dim=shape_of(state, MARK + "0.weight")[1],
        super_keypoints=0 if is_baseline else shape_of(state, SUPER)[0],
        num_layers=EscapeConfig.num_layers if is_baseline else layers,
        max_keypoints=max_keypoints or EscapeConfig.max_keypoints,
    )
    kept = {name: tensor for name, tensor in state.items() if name != BASELINE}
    translated: dict[str, Tensor] = {}
    for name, tensor in rename(kept, RULES).items():
        if match := re.fullmatch(r"(.*)\.to_qkv\.weight", name):
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            translated |= {f"{match[1]}.attention.{part}.weight": rows for part, rows in parts}
        else:
            translated[name] = tensor
    return Escape(config), translated
