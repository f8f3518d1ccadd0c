# SPDX-License-Identifier: Apache-2.0
"""Where in a whole frame the object may be: a deformable template over feature maps at several scales.

Each support keypoint is compared with every cell of the frame's maps; its best cell near by counts (parts may
move), at the place where it would put the middle of the object's box; the mean over the keypoints says how
well a box there fits. A pictorial structure of the star form: Felzenszwalb and Huttenlocher, IJCV 2005. The
support is looked at half as large as a crop of the network: a quarter of the work finds as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fmmp_runtime.pose import CROP_PADDING
from fmmp_train.model.backbones.maps import takes_any_size
from fmmp_train.model.estimator import Estimator
from fmmp_train.model.fmmp.match import average_shots, plain_descriptor
from fmmp_train.model.fmmp.network import Network

STRIDE = 8  # pixels a cell, of the maps that are compared
# Sides of the frame's square canvas at each level, in sides of a crop of the network: steps of about 1.4. The
# network bears a box that is off by half of such a step.
LEVELS = (2.5, 1.75, 1.25, 0.875, 0.625, 0.5, 0.375)
# Sizes that the box is tried at on the maps of a level: features bear a fifth more or less, places do not.
ZOOMS = (1.0, 0.84)
REDUCED = 2  # times the template is smaller than a crop
SLACK = 1  # cells by which a keypoint may move for nothing, an eighth of the box's half
OUTSIDE = 0.1  # of cosine: by so much is a keypoint outside of the frame worse than its mean inside
MIRRORED = (False, True)  # views of the support
# A mirrored view is taken where it is clearly the better one, else left and right of symmetrical objects
# would be exchanged by chance: by so much of cosine to be looked at, of a match's log evidence to be taken.
MIRROR_PEAK, MIRROR_FIT = 0.03, 2.0
CENTER_FIT = 0.5  # logits of presence that stand for one of log evidence where the start is no match


class Sought(NamedTuple):
    """What is looked for: V views of each support."""

    descriptor: Tensor  # (B, V, K, C), unit length
    offset: Tensor  # (B, V, K, 2) cells x, y from the middle of the box
    weight: Tensor  # (B, V, K), sums to 1 over the keypoints that some support shows


def can_search(network: Estimator) -> bool:
    """Whether there is a search for an estimator: it has maps of images of any size."""
    return isinstance(network, Network) and takes_any_size(network.backbone, network.config.image_size)


class Search(nn.Module):
    """Find the places and sizes where a support's object may be in a frame; nothing of it is learnt."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.sides = [round(level * network.config.image_size) for level in LEVELS]  # pixels
        self.box_cells = network.config.image_size / REDUCED / STRIDE / CROP_PADDING

    @property
    def box_sides(self) -> list[float]:
        """Longer side of the box that each answer looks for, in longer sides of the frame."""
        return [zoom * self.box_cells * STRIDE / side for side in self.sides for zoom in ZOOMS]

    def look_at(self, support: Tensor, keypoints: Tensor, visible: Tensor) -> Sought:
        """What is looked for; arguments as those of `Network.support_state`."""
        size, batch = self.network.config.image_size, support.shape[0]
        mirrored = torch.stack((1 - 1 / size - keypoints[..., 0], keypoints[..., 1]), dim=-1)
        images = torch.stack((support, support.flip(-1)), dim=1).flatten(0, 1)  # (B*V, S, 3, H, W)
        points = torch.stack((keypoints, mirrored), dim=1).flatten(0, 1)
        shown = visible[:, None].expand(-1, len(MIRRORED), -1, -1).flatten(0, 1)
        small = F.avg_pool2d(images.flatten(0, 1), REDUCED)
        descriptor, place, present = average_shots(self._describe(small), points, shown)
        views = (batch, len(MIRRORED))
        return Sought(
            descriptor=descriptor.view(*views, *descriptor.shape[1:]),
            offset=((place - 0.5) * (CROP_PADDING * self.box_cells)).view(*views, -1, 2),
            weight=(present / present.sum(-1, keepdim=True).clamp(min=1)).view(*views, -1),
        )

    def forward(self, frame: Tensor, extent: Tensor, sought: Sought) -> list[Tensor]:
        """How well a box around each cell fits.

        Args:
            frame: (B, 3, C, C) normalised; C is the first of `sides`. The frame, enlarged or reduced to a
                longer side of C, lies in the upper left corner.
            extent: (B, 2) height and width of the frame in the canvas, in sides of the canvas.
            sought: of `look_at`.

        Returns:
            (B, V, C_l / 8, C_l / 8) of each level and zoom: the mean cosine of the keypoints.
        """
        likeness, within = [], []
        for image in self._levels(frame):
            maps = self._describe(image)  # (B, H, W, C)
            cosine = sought.descriptor @ maps.flatten(1, 2).mT[:, None]  # (B, V, K, H*W)
            likeness.append(cosine.view(*cosine.shape[:3], *maps.shape[1:3]))
            within.append(_within(extent, *maps.shape[1:3]))
        floor = _mean(likeness, within) - OUTSIDE  # (B, V, K)
        return [
            self._vote(each, inside, floor, sought._replace(offset=sought.offset * zoom))
            for each, inside in zip(likeness, within, strict=True)
            for zoom in ZOOMS
        ]

    def _levels(self, frame: Tensor) -> list[Tensor]:
        """The canvas at each side of `sides`; halved where a level twice as large is there."""
        made = {self.sides[0]: frame}
        for before, side in zip(self.sides, self.sides[1:], strict=False):
            twice = made.get(2 * side)
            if twice is None:
                made[side] = F.interpolate(made[before], size=(side, side), mode="bilinear")
            else:
                made[side] = F.avg_pool2d(twice, 2)
        return list(made.values())

    def _describe(self, images: Tensor) -> Tensor:
        features = self.network.backbone(images)
        return self.network.descriptor(features) if self.network.matches else plain_descriptor(features)

    def _vote(self, likeness: Tensor, inside: Tensor, floor: Tensor, sought: Sought) -> Tensor:
        """Cosines (B, V, K, H, W) -> fit (B, V, H, W) of a box around each cell."""
        height, width = likeness.shape[-2:]
        reach = int(self.box_cells * CROP_PADDING / 2) + 1  # cells from the middle to the farthest keypoint
        above = torch.where(inside[:, None, None], likeness - floor[..., None, None], 0.0)
        best = F.max_pool2d(above.flatten(0, 2)[:, None], 2 * SLACK + 1, 1, SLACK)[:, 0]
        padded = F.pad(best, (reach, reach, reach, reach)).flatten(1)  # (B*V*K, ...)
        row = width + 2 * reach
        moved = (sought.offset.round().clamp(-reach, reach) + reach).flatten(0, 2)  # (B*V*K, 2) x, y
        first = (moved[:, 1:] * row + moved[:, :1]).long()
        start = torch.arange(height, device=moved.device)[:, None] * row + torch.arange(
            width, device=moved.device
        )
        voted = padded.gather(1, first + start.flatten())  # (B*V*K, H*W)
        at = voted.view(*likeness.shape) + floor[..., None, None]
        return (at * sought.weight[..., None, None]).sum(2)


def _within(extent: Tensor, height: int, width: int) -> Tensor:
    """(B, H, W) bool: the middle of the cell lies in the frame."""
    y = (torch.arange(height, device=extent.device) + 0.5) / height < extent[:, :1]
    x = (torch.arange(width, device=extent.device) + 0.5) / width < extent[:, 1:]
    return y[:, :, None] & x[:, None]


def _mean(likeness: Sequence[Tensor], within: Sequence[Tensor]) -> Tensor:
    """Mean cosine (B, V, K) over the cells of the frame, of all levels."""
    total = sum(
        (each * inside[:, None, None]).sum((-1, -2)) for each, inside in zip(likeness, within, strict=True)
    )
    count = sum(inside.sum((-1, -2)) for inside in within)
    assert isinstance(total, Tensor)
    assert isinstance(count, Tensor)
    return total / count.clamp(min=1)[:, None, None]
