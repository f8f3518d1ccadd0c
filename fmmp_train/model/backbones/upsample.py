# SPDX-License-Identifier: Apache-2.0
"""A coarse map made as fine as a heat map, by what was learnt."""

from __future__ import annotations

from torch import nn


class Upsample(nn.Sequential):
    """Three transposed convolutions, each with normalisation and ReLU: 8 x 8 -> 64 x 64 cells."""

    def __init__(self, channels: int, dim: int) -> None:
        layers: list[nn.Module] = []
        for width in (channels, dim, dim):
            convolution = nn.ConvTranspose2d(width, dim, 4, stride=2, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(dim), nn.ReLU()]
        super().__init__(*layers)
