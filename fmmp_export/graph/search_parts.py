# SPDX-License-Identifier: Apache-2.0
"""The two graphs that find an object in a whole frame: what is looked for, and where it may be."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fmmp_export.graph.parts import Normalise, Part, example_inputs
from fmmp_train.model import Network
from fmmp_train.model.estimator import Estimator
from fmmp_train.model.fmmp.search import Search, Sought

TEMPLATE_INPUTS = ("support", "keypoints", "visible")
TEMPLATE_OUTPUTS = tuple(f"search_{name}" for name in Sought._fields)


class TemplateGraph(nn.Module):
    """Support images -> what the search looks for."""

    def __init__(self, network: Network, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.search = Search(network)
        self.normalise = Normalise(mean, std)

    def forward(self, support: Tensor, keypoints: Tensor, visible: Tensor) -> Sought:
        """(B, S, H, W, 3) uint8, then as `Search.look_at`."""
        return self.search.look_at(self.normalise(support), keypoints, visible)


class SearchGraph(nn.Module):
    """A frame and what is looked for -> how well a box around each cell of each size fits."""

    def __init__(self, network: Network, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.search = Search(network)
        self.normalise = Normalise(mean, std)

    def forward(self, frame: Tensor, extent: Tensor, *sought: Tensor) -> list[Tensor]:
        """(B, C, C, 3) uint8, then as `Search.forward`."""
        fits: list[Tensor] = self.search(self.normalise(frame), extent, Sought(*sought))
        return fits


def search_parts(
    network: Estimator, *, shots: int, mean: Sequence[float], std: Sequence[float]
) -> dict[str, Part]:
    """The template graph of `network` for one support set, and its search graph for one frame."""
    assert isinstance(network, Network)  # as `can_search` says
    examples = example_inputs(network.config.inputs, shots)
    supports = tuple(examples[name] for name in TEMPLATE_INPUTS)
    template = TemplateGraph(network, mean, std).eval()
    with torch.no_grad():
        sought = template(*supports)
    search = SearchGraph(network, mean, std).eval()
    side = search.search.sides[0]
    frame = (torch.zeros(1, side, side, 3, dtype=torch.uint8), torch.ones(1, 2))
    fits = tuple(f"fit_{number}" for number in range(len(search.search.box_sides)))
    return {
        "template": Part(template, supports, TEMPLATE_INPUTS, TEMPLATE_OUTPUTS),
        "search": Part(search, (*frame, *sought), ("frame", "extent", *TEMPLATE_OUTPUTS), fits),
    }
