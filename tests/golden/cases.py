# SPDX-License-Identifier: Apache-2.0
"""The pairs that the golden numbers of the other systems are of, as their networks take them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fmmp_runtime.pose import InputConfig, support_inputs
from fmmp_train.model.images import normalize
from tests.golden import load_npz


class Case(NamedTuple):
    """B pairs of S supports and a query; keypoints as they are annotated, of each pair K_c."""

    golden: dict[str, Any]
    query: Tensor  # (B, 3, H, W)
    support: Tensor  # (B, S, 3, H, W)
    keypoints: list[Tensor]  # of each pair (S, K_c, 2) in [0, 1]
    visible: list[Tensor]  # of each pair (S, K_c)
    links: list[np.ndarray]  # of each pair (E, 2)

    def annotation(self, config: InputConfig) -> list[Tensor]:
        """What an estimator's `support_state` takes after the images."""
        rows = [
            support_inputs(list(zip(points.numpy(), shown.numpy(), strict=True)), links, config)
            for points, shown, links in zip(self.keypoints, self.visible, self.links, strict=True)
        ]
        return [torch.from_numpy(np.stack([row[name] for row in rows])) for name in config.names]


def load_case(name: str) -> Case:
    """Read `<system>/<case>.npz`; images that are FMMP's own stand in its files alone."""
    golden = load_npz(name)
    shared = load_npz("two_shot" if "two_shot" in name else "one_shot")
    images = normalize(torch.from_numpy(golden.get("images", shared["images"])))
    meta = json.loads(str(golden["meta"]))
    links = [np.array(each) for each in meta.get("skeletons", meta.get("links"))]
    pairs, shots = images.shape[0], images.shape[1] - 1
    keypoints, visible = (
        [_annotated(golden, meta, what, pair, shots) for pair in range(pairs)]
        for what in ("points", "visible")
    )
    return Case(golden, images[:, -1], images[:, :-1], keypoints, visible, links)


def _annotated(golden: dict[str, Any], meta: dict[str, Any], what: str, pair: int, shots: int) -> Tensor:
    """The supports' points or visibility without padding, (S, K_c, ...)."""
    if what in golden:
        return torch.from_numpy(golden[what][pair, :shots, : meta["keypoints"][pair]])
    return torch.stack([torch.from_numpy(golden[f"raw_{what}_{pair}_{shot}"]) for shot in range(shots)])


def close(found: Tensor, expected: np.ndarray, atol: float) -> None:
    """Every number within `atol`."""
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=atol)
