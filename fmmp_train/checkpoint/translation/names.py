# SPDX-License-Identifier: Apache-2.0
"""What all translations of checkpoints share: rules for names, packed attention, doubled backbones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import timm
import torch
from torch import Tensor

Rules = Sequence[tuple[str, str]]  # (pattern, replacement) of `re.sub`, applied one after the other

_PACKED = re.compile(r"(.*\.)in_proj_(weight|bias)")
_SEPARATE = re.compile(r"(.*\.)([qkv])_proj_weight")
_PARTS = ("query", "key", "value")


def rename(state: Mapping[str, Tensor], rules: Rules) -> dict[str, Tensor]:
    """Apply `rules` to every name; what no rule knows stays, so that loading can report it."""
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    return renamed


def unpack_attention(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of `torch.nn.MultiheadAttention`, packed or not, as those of our `Attention`."""
    unpacked: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if packed := _PACKED.fullmatch(name):
            parts = zip(_PARTS, tensor.chunk(3), strict=True)
            unpacked |= {f"{packed[1]}{part}.{packed[2]}": rows for part, rows in parts}
        elif separate := _SEPARATE.fullmatch(name):
            unpacked[f"{separate[1]}{_PARTS['qkv'.index(separate[2])]}.weight"] = tensor
        else:
            unpacked[name.replace(".out_proj.", ".output.")] = tensor
    return unpacked


def one_of_two(state: Mapping[str, Tensor], kept: str, other: str) -> dict[str, Tensor]:
    """A state in which a network stands under two names, without the second.

    Raises:
        ValueError: the two differ; names the first tensor that does.
    """
    for name, tensor in state.items():
        twin = kept + name.removeprefix(other)
        if name.startswith(other) and not (twin in state and torch.equal(state[twin], tensor)):
            raise ValueError(
                f"the checkpoint's two copies of one backbone differ: {name} is not {twin}; "
                "it was changed after training, or saved of two networks"
            )
    return {name: tensor for name, tensor in state.items() if not name.startswith(other)}


def count(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many different numbers the group of `pattern` stands for, as of layers."""
    return len({match[1] for name in state if (match := re.match(pattern, name))})


def shape_of(state: Mapping[str, Tensor], name: str) -> tuple[int, ...]:
    """Shape of a tensor that says the shape of its network.

    Raises:
        ValueError: it is missing.
    """
    if name not in state:
        raise ValueError(f"the checkpoint lacks {name}, which says the shape of the network")
    return tuple(state[name].shape)


def backbone_of(state: Mapping[str, Tensor], prefix: str, candidates: Sequence[str]) -> str:
    """Name the network of timm whose parameters, without its classifier, stand under `prefix`.

    Raises:
        ValueError: it is none of `candidates`; says what differs from the nearest.
    """
    found = {name.removeprefix(prefix): t.shape for name, t in state.items() if name.startswith(prefix)}
    nearest: tuple[int, str] = (len(found) + 1, "")
    for candidate in candidates:
        with torch.device("meta"):
            model = timm.create_model(candidate, pretrained=False, num_classes=0)
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        wrong = [name for name in sorted(shapes.keys() | found.keys()) if shapes.get(name) != found.get(name)]
        if not wrong:
            return candidate
        nearest = min(nearest, (len(wrong), f"{candidate} differs first at {prefix}{wrong[0]}"))
    raise ValueError(
        f"the checkpoint's backbone ({len(found)} tensors) is none of {', '.join(candidates)}; {nearest[1]}"
    )
