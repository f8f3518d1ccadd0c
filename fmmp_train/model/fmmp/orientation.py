# SPDX-License-Identifier: Apache-2.0
"""The support seen turned by quarters: a match by features bears a tilt, but not an object upside down."""

from __future__ import annotations

import torch
from torch import Tensor

TURN_COST = (
    0.1  # log evidence a keypoint by which a turned view must fit better: ties keep the support upright
)


def turn_images(images: Tensor, turns: int) -> Tensor:
    """Images (..., H, W), H = W -> (B, turns, ...): turned counter-clockwise by 0, 1, ... quarters."""
    return torch.stack([images.rot90(quarter, (-2, -1)) for quarter in range(turns)], dim=1)


def turn_keypoints(keypoints: Tensor, turns: int, size: int) -> Tensor:
    """Keypoints (B, ..., 2) in [0, 1] of images of `size` pixels -> (B, turns, ..., 2), turned with them.

    A turn takes the centre of pixel (x, y) to (y, size - 1 - x).
    """
    last = 1 - 1 / size
    views = [keypoints]
    for _ in range(turns - 1):
        x, y = views[-1].unbind(-1)
        views.append(torch.stack((y, last - x), dim=-1))
    return torch.stack(views, dim=1)


def repeat_views(tensor: Tensor, turns: int) -> Tensor:
    """What no turn changes: (B, ...) -> (B, turns, ...)."""
    return tensor[:, None].expand(-1, turns, *tensor.shape[1:])
