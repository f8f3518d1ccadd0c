# SPDX-License-Identifier: Apache-2.0
"""What the network keeps between its parts: an encoded image, a remembered support, an answer."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from fmmp_train.model.estimator import Located
from fmmp_train.model.fmmp.match import Found, Template
from fmmp_train.model.fmmp.miner import Prepared
from fmmp_train.model.fmmp.presence import Seen


class Encoded(NamedTuple):
    """What the network keeps of images."""

    tokens: Tensor  # (B, N, C), the pyramid's levels, coarse to fine
    descriptors: Tensor | None  # (B, H, W, Cd) of stride 8, only when the start is a match


class Shots(NamedTuple):
    """What mining reads of the support's images in every layer after the first."""

    memory: tuple[Tensor, ...]  # (B, S, N, ...) for each such layer, or a single one that all of them read
    position: Tensor  # (B, S, K, C), order code plus position code of the keypoints
    reference_points: Tensor  # (B, S, K, M, 2) in [0, 1]
    hidden: Tensor  # (B, S, 1, 1, K), added to the logits of attention
    share: Tensor  # (B, S, K, 1), of a shot in the mean over those that show a keypoint; 0 where none does

    def of_layer(self, layer: int) -> Tensor:
        """Memory of `layer`, counted from 0, which has none here."""
        return self.memory[min(layer, len(self.memory)) - 1]


class SupportState(NamedTuple):
    """All of the support that does not depend on the query; computed once per support set.

    With V > 1 orientations B stands for B*V, the views of one support next to each other.
    """

    reference_index: Tensor  # (B, K, M) int64, of the last shot; the query is read by it
    shots: Shots | None  # None where no later layer reads the support
    first: Prepared | None  # a center start: the query miner of layer 0 up to its image
    mined: Tensor | None  # (B, K, C), F_s after layer 0, which a match adds cues to
    template: Template | None  # of a match
    seen: Seen | None  # a center start: what presence is told by; a match has it in its template


class Refined(NamedTuple):
    """The network's answer, and the start that training looks at."""

    located: Located
    found: Found | None  # only when the start is a match
