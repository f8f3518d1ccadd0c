# SPDX-License-Identifier: Apache-2.0
"""The two halves of the network as torch modules: images enter as uint8, shapes are static, layers unrolled.

The third graph of a bundle, the whole pair, is the two joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fmmp_runtime.pose import InputConfig, support_inputs
from fmmp_train.model import Estimator

QUERY_OUTPUTS = ("points", "score", "presence")  # the last where an estimator tells it


class Part(NamedTuple):
    """A module to be traced, with what it is called on."""

    module: nn.Module
    arguments: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Normalise(nn.Module):
    """uint8 RGB (..., H, W, 3) -> (image / 255 - mean) / std, float32 (..., 3, H, W)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        scale = 1 / (255 * torch.tensor(std, dtype=torch.float64))
        shift = -torch.tensor(mean, dtype=torch.float64) / torch.tensor(std, dtype=torch.float64)
        self.register_buffer("scale", scale.float()[:, None, None])
        self.register_buffer("shift", shift.float()[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """As the class says."""
        # Channels first before the arithmetic: with a last axis of 3, ONNX Runtime takes 14 times as long. As
        # floats: TensorRT doesn't transpose bytes.
        return images.float().movedim(-1, -3) * self.scale + self.shift


def flatten_state(state: Any, name: str = "state") -> dict[str, Tensor]:  # noqa: ANN401  # a state or a part of it
    """Name every tensor of a state by the fields that lead to it, as in `state_shots_position`."""
    if state is None:
        return {}
    if isinstance(state, Tensor):
        return {name: state}
    fields = getattr(state, "_fields", range(len(state)))
    named: dict[str, Tensor] = {}
    for field, value in zip(fields, state, strict=True):
        named |= flatten_state(value, f"{name}_{field}")
    return named


def unflatten_state(tensors: Iterator[Tensor], like: Any) -> Any:  # noqa: ANN401  # likewise
    """Inverse of `flatten_state`, from the tensors in its order and a state of the same form."""
    if like is None:
        return None
    if isinstance(like, Tensor):
        return next(tensors)
    items = [unflatten_state(tensors, item) for item in like]
    return type(like)(*items) if hasattr(like, "_fields") else tuple(items)


class SupportGraph(nn.Module):
    """Support images -> the state that every query of this support needs."""

    def __init__(self, network: Estimator, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.normalise = Normalise(mean, std)

    def forward(self, support: Tensor, *annotation: Tensor) -> dict[str, Tensor]:
        """(B, S, H, W, 3) uint8, then the annotation of `Estimator.support_state`."""
        return flatten_state(self.network.support_state(self.normalise(support), *annotation))


class QueryGraph(nn.Module):
    """Query image and support state -> keypoints of every layer, the score of the last, presence."""

    def __init__(self, network: Estimator, mean: Sequence[float], std: Sequence[float], like: Any) -> None:  # noqa: ANN401
        """`like` is a state of the network's form, whatever its values are."""
        super().__init__()
        self.network = network
        self.normalise = Normalise(mean, std)
        self._like = like

    def forward(self, query: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """(B, H, W, 3) uint8, then the state -> (L, B, K, 2), (B, K) and, where it is told, (B,)."""
        located = self.network.locate(self.normalise(query), unflatten_state(iter(state), self._like))
        answers = located.points, located.score, located.presence
        return tuple(answer for answer in answers if answer is not None)


def example_inputs(config: InputConfig, shots: int, batch: int = 1) -> dict[str, Tensor]:
    """Support sets and queries of the right shapes; what tracing reads of them is shape and type."""
    size = config.image_size
    one = support_inputs([([(0.5, 0.5)], [True])] * shots, [], config)
    annotation = {
        name: torch.from_numpy(array).expand(batch, *array.shape).clone() for name, array in one.items()
    }
    return {
        "query": torch.zeros(batch, size, size, 3, dtype=torch.uint8),
        "support": torch.zeros(batch, shots, size, size, 3, dtype=torch.uint8),
        **annotation,
    }


def support_part(network: Estimator, *, shots: int, mean: Sequence[float], std: Sequence[float]) -> Part:
    """The support graph of `network`, for one support set."""
    _, *examples = example_inputs(network.config.inputs, shots).items()
    names, arguments = zip(*examples, strict=True)
    graph = SupportGraph(network, mean, std).eval()
    with torch.no_grad():
        state = graph(*arguments)
    return Part(graph, arguments, names, tuple(state))


def query_part(
    network: Estimator, *, shots: int, mean: Sequence[float], std: Sequence[float], batch: int = 1
) -> Part:
    """The query graph of `network`, for `batch` frames at once, each with a support state of its own."""
    query, images, *annotation = example_inputs(network.config.inputs, shots, batch).values()
    with torch.no_grad():
        state = network.support_state(Normalise(mean, std)(images), *annotation)
    named = flatten_state(state)
    graph = QueryGraph(network, mean, std, state).eval()
    arguments = (query, *named.values())
    with torch.no_grad():
        count = len(graph(*arguments))
    return Part(graph, arguments, ("query", *named), QUERY_OUTPUTS[:count])
