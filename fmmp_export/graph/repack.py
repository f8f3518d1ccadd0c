# SPDX-License-Identifier: Apache-2.0
"""The same network with fewer and larger steps: all heads of a structure side by side.

As trained, the eight structure heads of a layer are eight attentions with three projections in and one out
each: 48 calls of the operator a pair. Packed, a layer has one product that says what to read, one call, and
one product out; `output_proj` of the neighbours' heads is folded into the projector, since nothing lies
between them. Only the order of sums changes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor, nn

from fmmp_export.graph.projected import projected_attn
from fmmp_runtime.bundle.specs import Target
from fmmp_train.model import Estimator, Network
from fmmp_train.model.deform_attn import ms_deform_attn
from fmmp_train.model.fmmp.structure import DeformableAttention, FullStructure, Plan


def repack(network: Estimator, target: Target) -> Estimator:
    """A copy of `network` whose structure heads, if it has some, are packed for `target`; gives the same.

    The target says where the value projection goes. Sampling is linear, so it may follow: a CPU then
    multiplies a few vectors instead of every cell. A GPU multiplies every cell at no cost and would wait for
    8 times the reads.

    Raises:
        ValueError: another target.
    """
    if target not in get_args(Target):
        raise ValueError(f"target must be one of {', '.join(get_args(Target))}, got {target!r}")
    packed = copy.deepcopy(network)
    for miner in (*packed.support_miners, *packed.query_miners) if isinstance(packed, Network) else ():
        assert isinstance(miner.structure, FullStructure | DeformableAttention)
        miner.structure = FORMS[target](miner.structure)
    return packed


class PackedStructure(nn.Module):
    """What both forms share: the products before and after the operator."""

    spatial_shapes: Tensor
    level_start_index: Tensor

    def __init__(self, structure: FullStructure | DeformableAttention) -> None:
        super().__init__()
        attentions = _attentions(structure)
        first = attentions[0]
        heads, levels, points = first.grid
        self.grid = (heads * len(attentions), levels, points)
        self.register_buffer("spatial_shapes", first.spatial_shapes)
        self.register_buffer("level_start_index", first.level_start_index)
        self.sampling = _stack(
            [each.sampling_offsets for each in attentions] + [each.attention_weights for each in attentions]
        )
        self.output_proj = copy.deepcopy(first.output_proj)
        self.projector = None
        if isinstance(structure, FullStructure) and len(attentions) > 1:
            self.projector = _fold([each.output_proj for each in attentions[1:]], structure.projector)

    def plan(self, query: Tensor) -> Plan:
        """Offsets and logits of each `query` (B, K, C), of all heads."""
        reads = self.sampling(query)
        grid = (*query.shape[:2], *self.grid)
        count = 2 * reads.shape[-1] // 3  # two coordinates, then a logit
        return Plan(reads[..., :count].view(*grid, 2), reads[..., count:].view(grid))

    def project_out(self, sampled: Tensor) -> Tensor:
        """What the heads (B, K, M, D) read -> (B, K, C)."""
        flat = sampled.flatten(2)
        count = self.output_proj.in_features
        own: Tensor = self.output_proj(flat[..., :count])
        return own if self.projector is None else own + self.projector(flat[..., count:]).relu()


class SampleThenProject(PackedStructure):
    """For a CPU: the tokens are sampled as they are, then each head projects the little that it read."""

    projection: Tensor
    projection_bias: Tensor

    def __init__(self, structure: FullStructure | DeformableAttention) -> None:
        super().__init__(structure)
        value = _stack([each.value_proj for each in _attentions(structure)])
        heads = self.grid[0]
        columns = value.weight.detach().view(heads, -1, value.in_features)  # (M, D, C)
        self.register_buffer("projection", columns.mT.contiguous())  # (M, C, D)
        self.register_buffer("projection_bias", value.bias.detach().view(heads, -1))

    def memory(self, tokens: Tensor) -> Tensor:
        """Keep the tokens (B, N, C) as they are: they are projected after sampling."""
        return tokens

    def forward(self, plan: Plan, reference_points: Tensor, memory: Tensor) -> Tensor:
        """Read `memory` around `reference_points` (B, K, M, 2) -> (B, K, C)."""
        sampled: Tensor = projected_attn(
            memory,
            self.spatial_shapes,
            self.level_start_index,
            reference_points,
            plan.offsets,
            plan.logits,
            self.projection,
            self.projection_bias,
        )
        return self.project_out(sampled)


class ProjectThenSample(PackedStructure):
    """For a GPU: one product projects every cell for all heads, once an image."""

    cells_xy: Tensor

    def __init__(self, structure: FullStructure | DeformableAttention) -> None:
        super().__init__(structure)
        attentions = _attentions(structure)
        self.value_proj = _stack([each.value_proj for each in attentions])
        self.register_buffer("cells_xy", attentions[0].cells_xy)

    def memory(self, tokens: Tensor) -> Tensor:
        """Project the tokens (B, N, C) for all heads -> (B, N, M, D)."""
        value: Tensor = self.value_proj(tokens)
        return value.view(*tokens.shape[:2], self.grid[0], -1)

    def forward(self, plan: Plan, reference_points: Tensor, memory: Tensor) -> Tensor:
        """Read `memory` around `reference_points` (B, K, M, 2) -> (B, K, C)."""
        weights = plan.logits.flatten(-2).softmax(-1).view_as(plan.logits)
        per_point = self.grid[0] // reference_points.shape[2]  # heads that read around the same point
        around = reference_points.repeat_interleave(per_point, dim=2)  # (B, K, M, 2)
        locations = around[:, :, :, None, None] + plan.offsets / self.cells_xy[:, None]
        return self.project_out(
            ms_deform_attn(memory, self.spatial_shapes, self.level_start_index, locations, weights)
        )


FORMS: dict[str, type[SampleThenProject] | type[ProjectThenSample]] = {
    "cpu": SampleThenProject,
    "gpu": ProjectThenSample,
}


def _attentions(structure: FullStructure | DeformableAttention) -> list[DeformableAttention]:
    if isinstance(structure, DeformableAttention):
        return [structure]
    return list(structure.heads)


def _stack(layers: Sequence[nn.Linear]) -> nn.Linear:
    """One layer that gives what `layers` give, one after the other."""
    return _linear(torch.cat([each.weight for each in layers]), torch.cat([each.bias for each in layers]))


def _fold(first: Sequence[nn.Linear], second: nn.Linear) -> nn.Linear:
    """One layer for `second` of what `first` give side by side; folded in float64."""
    inner: Tensor = torch.block_diag(*(each.weight.double() for each in first))  # type: ignore[no-untyped-call]
    shift = torch.cat([each.bias.double() for each in first])
    weight = second.weight.double()
    return _linear((weight @ inner).float(), (weight @ shift + second.bias.double()).float())


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    layer.weight, layer.bias = nn.Parameter(weight.detach()), nn.Parameter(bias.detach())
    return layer
