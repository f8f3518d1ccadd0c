# SPDX-License-Identifier: Apache-2.0
"""Start of the recurrence for small models: find each support keypoint again, then let the skeleton agree.

An extension of ours (`start="match"`); the paper and the released weights start from the centre. A keypoint
is looked up by the cosine of backbone features, times a Gaussian around where it is expected. At first that
is its place in the support; then, a few times over, the displacements that the other keypoints found are
averaged, near and linked ones more, sure ones more, and say where to expect it. Like a pictorial structure,
but soft and differentiable throughout.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fmmp_train.model.deform_attn import ms_deform_attn
from fmmp_train.model.points import cell_centres

ROUNDS = 4  # look-ups; the expectation is revised between them
MIN_VARIANCE = 1e-3  # (fraction of the crop)^2: a belief narrower than a cell is not surer
LEVEL_WEIGHTS = (1.0, 1.2, 0.5)  # of strides 8, 16, 32 in a descriptor; the coarsest knows what, not where
LEARNED_LENGTH = 0.5  # of the learned part of a descriptor, whose plain part has length 1
TINY = 1e-6  # keeps from dividing 0 by 0: a support without any present point, a vector without length
CUE_TIGHTNESS = (
    100.0,
    400.0,
    1600.0,
)  # of the windows that `Cues` reads: 1 / (2 sigma^2), sigma 18, 9 and 4.5 px


class Template(NamedTuple):
    """What is looked for: the support's keypoints, averaged over the shots."""

    descriptor: Tensor  # (B, K, C), unit length
    keypoints: Tensor  # (B, K, 2) in [0, 1], mean over the shots in which a point is visible
    present: Tensor  # (B, K) float: 1 where a point is visible in some shot
    affinity: Tensor  # (B, K, K) float: 1 where a point is among another's breadth-first neighbours


class Found(NamedTuple):
    """Where it was found."""

    points: Tensor  # (B, K, 2) in [0, 1]
    variance: Tensor  # (B, K), (fraction of the crop)^2, of the belief
    similarity: Tensor  # (B, K, H, W), cosine with every cell
    logits: Tensor  # (R, B, K, H * W), of the belief of every round


class Descriptor(nn.Module):
    """Backbone maps -> one vector for each cell of stride 8: the levels as they come, and a learned rest.

    The levels are normalised and weighted, together of unit length; beside them the learned part is short. It
    starts as a random view of the same, since a similarity of two parts that are 0 has no slope.
    """

    def __init__(self, channels: Sequence[int], learned: int) -> None:
        super().__init__()
        self.spread = sum(channels) ** 0.5  # turns a unit vector into channels of unit variance
        self.learn = nn.Sequential(nn.Linear(sum(channels), learned), nn.GELU(), nn.Linear(learned, learned))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_l, H_l, W_l), fine to coarse -> (B, H, W, C) of the finest."""
        plain = plain_descriptor(features)
        learned = unit(self.learn(plain * self.spread), -1)
        return torch.cat((plain, LEARNED_LENGTH * learned), dim=-1)


def plain_descriptor(features: Sequence[Tensor]) -> Tensor:
    """The levels alone, of unit length together: maps (B, C_l, H_l, W_l) -> (B, H, W, sum of C_l)."""
    size = features[0].shape[-2:]
    levels = []
    for feature, weight in zip(features, LEVEL_WEIGHTS, strict=True):
        level = feature if feature.shape[-2:] == size else F.interpolate(feature, size=size, mode="bilinear")
        levels.append(unit(level.permute(0, 2, 3, 1), -1) * (weight / math.hypot(*LEVEL_WEIGHTS)))
    return torch.cat(levels, dim=-1)


class Match(nn.Module):
    """Look every keypoint of a `Template` up in a query, in rounds that share what they learn."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.full((ROUNDS,), 30.0).log())  # of the cosine
        self.tightness = nn.Parameter(torch.tensor([40.0, 80.0, 160.0, 320.0]).log())  # of the expected place
        self.reach = nn.Parameter(torch.full((ROUNDS - 1,), 0.15).log())  # fraction of the crop
        self.bond = nn.Parameter(torch.full((ROUNDS - 1,), 0.5).log())  # of breadth-first neighbours
        self.stiffness = nn.Parameter(torch.full((ROUNDS - 1,), 0.5).log())  # pull to the support's place
        self.trust = nn.Parameter(torch.ones(ROUNDS - 1))  # how much a narrow belief counts more

    def forward(self, template: Template, descriptors: Tensor) -> Found:
        """Find `template` in the query's `descriptors` (B, H, W, C)."""
        height, width = descriptors.shape[1:3]
        similarity = template.descriptor @ descriptors.flatten(1, 2).mT  # (B, K, H*W)
        grid = cell_centres(height, width, descriptors)  # (H*W, 2)
        apart = (template.keypoints[:, :, None] - template.keypoints[:, None]).square().sum(-1)  # (B, K, K)
        expected = template.keypoints
        logits = []
        for turn in range(ROUNDS):
            logits.append(self._look_up(turn, similarity, expected, grid))
            belief = logits[-1].softmax(-1)
            points = belief @ grid
            variance = (belief @ grid.square() - points.square()).sum(-1).clamp(min=0)
            if turn + 1 < ROUNDS:
                sure = template.present * (variance + MIN_VARIANCE) ** -self.trust[turn]  # (B, K)
                near = (-apart / (2 * (2 * self.reach[turn]).exp())).exp()
                near = near + self.bond[turn].exp() * template.affinity
                weight = near * sure[:, None]  # (B, K, K): what k believes of j
                pull = self.stiffness[turn].exp() * sure.mean(-1, keepdim=True)[..., None] + TINY
                shift = weight @ (points - template.keypoints) / (weight.sum(-1, keepdim=True) + pull)
                expected = template.keypoints + shift
        maps = similarity.view(*similarity.shape[:2], height, width)
        return Found(points, variance, maps, torch.stack(logits))

    def fit(self, template: Template, descriptors: Tensor) -> Tensor:
        """How well templates (B*V, K, ...), V for each query, fit `descriptors` (B, H, W, C) of the queries.

        Returns the mean log evidence (B*V,) of the first look-up; templates with the same present points can
        be compared.
        """
        batch, height, width, _ = descriptors.shape
        grid = cell_centres(height, width, descriptors)
        count = template.descriptor.shape[1]
        sought = template.descriptor.reshape(batch, -1, template.descriptor.shape[-1])  # (B, V*K, C)
        similarity = sought @ descriptors.flatten(1, 2).mT
        logits = self._look_up(0, similarity.view(-1, count, len(grid)), template.keypoints, grid)
        peak = logits.amax(-1)  # ONNX Runtime's ReduceLogSumExp takes twice as long as its parts
        log_evidence = peak + (logits - peak[..., None]).exp().sum(-1).log()
        evidence = (log_evidence * template.present).sum(-1)
        return evidence / template.present.sum(-1).clamp(min=1)

    def _look_up(self, turn: int, similarity: Tensor, expected: Tensor, grid: Tensor) -> Tensor:
        return self.sharpness[turn].exp() * similarity + self.tightness[turn].exp() * closeness(
            expected, grid
        )


def unit(x: Tensor, dim: int) -> Tensor:
    """`x` over its length along `dim`; 0 stays 0. ONNX Runtime sums fast, unlike its ReduceL2."""
    return x * (x.square().sum(dim, keepdim=True) + TINY**2).rsqrt()


def closeness(points: Tensor, grid: Tensor) -> Tensor:
    """Minus the squared distance of points (B, K, 2) to cells (N, 2), (B, K, N); as one product."""
    return 2 * points @ grid.mT - grid.square().sum(-1) - points.square().sum(-1, keepdim=True)


def make_template(
    descriptors: Tensor, keypoints: Tensor, visible: Tensor, reference_index: Tensor
) -> Template:
    """Average the support over its shots.

    Args:
        descriptors: (B*S, H, W, C) of the support images.
        keypoints: (B, S, K, 2) in [0, 1].
        visible: (B, S, K) bool.
        reference_index: (B, S, K, M) int64; the last shot's is used, as in the network.
    """
    descriptor, place, present = average_shots(descriptors, keypoints, visible)
    index = reference_index[:, -1]  # (B, K, M)
    own = torch.arange(visible.shape[-1], device=index.device)
    affinity = (index[..., None] == own).any(2).to(descriptor.dtype)
    return Template(descriptor, place, present, affinity)


def average_shots(descriptors: Tensor, keypoints: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Descriptor (B, K, C), place (B, K, 2) and presence (B, K) of `Template`; arguments as there."""
    batch, shots, count = visible.shape
    height, width = descriptors.shape[1:3]
    sampled = ms_deform_attn(
        descriptors.flatten(1, 2)[:, :, None],
        torch.tensor([[height, width]], dtype=torch.int32),
        torch.zeros(1, dtype=torch.int32),
        keypoints.reshape(batch * shots, count, 1, 1, 1, 2),
        torch.ones(batch * shots, count, 1, 1, 1),
    ).view(batch, shots, count, -1)
    weight = visible[..., None].to(sampled.dtype)
    shown = weight.sum(1)  # (B, K, 1)
    descriptor = unit((unit(sampled, -1) * weight).sum(1), -1)
    place = torch.where(shown > 0, (keypoints * weight).sum(1) / shown.clamp(min=1), keypoints.mean(1))
    return descriptor, place, (shown > 0).to(sampled.dtype)[..., 0]


def look_up_evidence(found: Found, points: Tensor) -> Tensor:
    """How narrow the last belief was and how alike the best cells near `points` (B, K, 2) are: (B, K, 2)."""
    height, width = found.similarity.shape[-2:]
    near = closeness(points, cell_centres(height, width, points))
    belief = (CUE_TIGHTNESS[-1] * near).softmax(-1)
    likeness = (belief * found.similarity.flatten(2)).sum(-1)
    return torch.stack(((found.variance + MIN_VARIANCE).log(), likeness), dim=-1)


class Cues(nn.Module):
    """Features of the match around a layer's points, added to its input; 0 at first, so that P^1 = P^0."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.full((len(CUE_TIGHTNESS),), 30.0).log())
        count = 4 * len(CUE_TIGHTNESS) + 6
        self.mlp = nn.Sequential(nn.Linear(count, dim), nn.GELU(), nn.Linear(dim, dim))

    def forward(self, template: Template, found: Found, points: Tensor) -> Tensor:
        """Describe the match around `points` (B, K, 2) -> (B, K, dim).

        At each of several tightnesses: the step to the best cells near by, how spread they are and how
        similar. Then how far the point is from the support's place, what its neighbours moved beyond it, how
        sure the match is, and whether the support shows the point at all.
        """
        height, width = found.similarity.shape[-2:]
        similarity = found.similarity.flatten(2)  # (B, K, H*W)
        grid = cell_centres(height, width, points)
        near = closeness(points, grid)  # (B, K, H*W)
        parts = []
        for tightness, sharpness in zip(CUE_TIGHTNESS, self.sharpness.exp(), strict=True):
            belief = (sharpness * similarity + tightness * near).softmax(-1)
            mean = belief @ grid
            spread = (belief @ grid.square() - mean.square()).sum(-1, keepdim=True)
            likeness = (belief * similarity).sum(-1, keepdim=True)
            parts += [(mean - points) * tightness**0.5, spread * tightness, likeness]
        shift = points - template.keypoints
        neighbours = template.affinity / template.affinity.sum(-1, keepdim=True).clamp(min=1)
        certainty = -(found.variance + MIN_VARIANCE).log()[..., None]
        parts += [shift, (neighbours @ shift - shift) * 10, certainty, template.present[..., None]]
        return self.mlp(torch.cat(parts, dim=-1))
