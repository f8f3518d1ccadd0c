# SPDX-License-Identifier: Apache-2.0
"""The two halves of the network as torch modules: images enter as uint8, shapes are static, layers unrolled.

The third graph of a bundle, the whole pair, is the two joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fmmp_train.model import ModelConfig, Network, SupportState
from fmmp_train.model.match import Template

BATCH = 1
SUPPORT_INPUTS = ("support", "keypoints", "visible", "reference_index")
QUERY_OUTPUTS = ("points", "score")


class Part(NamedTuple):
    """A module to be traced, with what it is called on."""

    module: nn.Module
    arguments: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Normalise(nn.Module):
    """uint8 RGB (..., H, W, 3) -> (image / 255 - mean) / std, float32 (..., 3, H, W)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        shift = -torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
        self.register_buffer("scale", scale.float())
        self.register_buffer("shift", shift.float())

    def forward(self, images: Tensor) -> Tensor:
        return (images.float() * self.scale + self.shift).movedim(-1, -3)


def flatten_state(state: SupportState) -> dict[str, Tensor]:
    """Name every tensor of a state: `state_<field>`, `state_template_<field>`; no template, no names."""
    named: dict[str, Tensor] = {}
    for field, value in state._asdict().items():
        if isinstance(value, Template):
            named |= {f"state_{field}_{name}": tensor for name, tensor in value._asdict().items()}
        elif value is not None:
            named[f"state_{field}"] = value
    return named


def unflatten_state(tensors: Sequence[Tensor]) -> SupportState:
    """Inverse of `flatten_state`, from the tensors in its order."""
    tokens, keypoints, visible, reference_index, mined, *template = tensors
    return SupportState(
        tokens, keypoints, visible, reference_index, mined, Template(*template) if template else None
    )


class SupportGraph(nn.Module):
    """Support images -> the state that every query of this support needs."""

    def __init__(self, network: Network, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.normalise = _Normalise(mean, std)

    def forward(
        self, support: Tensor, keypoints: Tensor, visible: Tensor, reference_index: Tensor
    ) -> dict[str, Tensor]:
        """(B, S, H, W, 3) uint8, then as `Network.support_state`."""
        images = self.normalise(support)
        return flatten_state(self.network.support_state(images, keypoints, visible, reference_index))


class QueryGraph(nn.Module):
    """Query image and support state -> keypoints of every layer, and the score of the last."""

    def __init__(self, network: Network, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.normalise = _Normalise(mean, std)

    def forward(self, query: Tensor, *state: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) uint8, then the state -> (L, B, K, 2) and (B, K)."""
        located = self.network.locate(self.normalise(query), unflatten_state(state))
        return located.points, located.score


def example_inputs(config: ModelConfig, shots: int) -> dict[str, Tensor]:
    """One support set and one query of the right shapes; what tracing reads of them is shape and type."""
    size, count = config.image_size, config.max_keypoints
    return {
        "query": torch.zeros(BATCH, size, size, 3, dtype=torch.uint8),
        "support": torch.zeros(BATCH, shots, size, size, 3, dtype=torch.uint8),
        "keypoints": torch.full((BATCH, shots, count, 2), 0.5),
        "visible": torch.ones(BATCH, shots, count, dtype=torch.bool),
        "reference_index": torch.zeros(BATCH, shots, count, config.num_heads, dtype=torch.int64),
    }


def parts(network: Network, *, shots: int, mean: Sequence[float], std: Sequence[float]) -> tuple[Part, Part]:
    """The support and the query graph of `network`, ready to be traced."""
    examples = example_inputs(network.config, shots)
    support = SupportGraph(network, mean, std).eval()
    support_arguments = tuple(examples[name] for name in SUPPORT_INPUTS)
    with torch.no_grad():
        state = support(*support_arguments)
    query = QueryGraph(network, mean, std).eval()
    query_arguments = (examples["query"], *state.values())
    return (
        Part(support, support_arguments, SUPPORT_INPUTS, tuple(state)),
        Part(query, query_arguments, ("query", *state), QUERY_OUTPUTS),
    )
