# SPDX-License-Identifier: Apache-2.0
"""What a trained network has to beat: copying the support keypoints, and matching frozen features."""

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from fmmp_train.checkpoint.pretrained import LITE0, load_pretrained
from fmmp_train.evaluation.evaluate import CropAnswer
from fmmp_train.evaluation.pairs import Bools, Crops, Floats
from fmmp_train.model.images import normalize
from fmmp_train.model.points import cell_centres


def copy_support(crops: Crops) -> CropAnswer:
    """Answer with the support keypoints, unmoved: the mean over the shots that show them."""
    return CropAnswer(_shown_mean(crops.inputs["keypoints"], crops.inputs["visible"]), None)


class NearestNeighbour(nn.Module):
    """Best cell of the query by feature similarity and nearness to the support position; nothing is trained.

    A descriptor is all levels of the backbone, each L2-normalised and upsampled to the finest grid, in a row.
    The score of a cell is `similarity * cosine - distance * d^2`, d from the support keypoint in crop widths.
    """

    def __init__(
        self, backbone: nn.Module, *, soft: bool, similarity: float = 20.0, distance: float = 40.0
    ) -> None:
        """Wrap a frozen backbone.

        Args:
            backbone: images (B, 3, H, W), normalised -> feature maps, finest first.
            soft: answer with the softmax-weighted mean of the cells instead of the best one.
            similarity: weight of the cosine.
            distance: weight of the squared distance; 0 leaves the position out.
        """
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(False)
        self.soft = soft
        self.similarity = similarity
        self.distance = distance

    def forward(self, query: Tensor, support: Tensor, keypoints: Tensor, visible: Tensor) -> Tensor:
        """Locate the keypoints of `support` in `query`.

        Args:
            query: (B, H, W, 3) uint8.
            support: (B, S, H, W, 3) uint8.
            keypoints: (B, S, K, 2) in [0, 1].
            visible: (B, S, K) bool.

        Returns:
            (B, K, 2) in [0, 1], at cell centres unless `soft`.
        """
        batch, shots = support.shape[:2]
        cells = self._descriptors(query)  # (B, C, h, w)
        height, width = cells.shape[-2:]
        grid = keypoints.flatten(0, 1)[:, None] * 2 - 1  # (B * S, 1, K, 2): x, y as grid_sample reads them
        sampled = functional.grid_sample(
            self._descriptors(support.flatten(0, 1)), grid, padding_mode="border", align_corners=False
        )[:, :, 0]  # (B * S, C, K)
        sampled = sampled.view(batch, shots, *sampled.shape[1:]).mT  # (B, S, K, C)
        shown = visible[..., None].to(sampled.dtype)
        reference = functional.normalize((sampled * shown).sum(1), dim=-1)  # (B, K, C)
        position = (keypoints * shown).sum(1) / shown.sum(1).clamp(min=1)  # (B, K, 2)
        cosine = reference @ functional.normalize(cells.flatten(2), dim=1)  # (B, K, h * w)
        centres = cell_centres(height, width, cosine)  # (h * w, 2)
        squared = (position[:, :, None] - centres).square().sum(-1)  # (B, K, h * w)
        score = self.similarity * cosine - self.distance * squared
        if self.soft:
            return score.softmax(-1) @ centres
        return centres[score.argmax(-1)]

    def _descriptors(self, images: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, C, h, w), h and w of the finest level."""
        levels = [functional.normalize(level, dim=1) for level in self.backbone(normalize(images))]
        size = levels[0].shape[-2:]
        upsampled = [functional.interpolate(level, size=size, mode="bilinear") for level in levels]
        return torch.cat(upsampled, dim=1)

    @torch.inference_mode()
    def locate(self, crops: Crops) -> CropAnswer:
        """Locate the keypoints of a batch of pairs, for `on_crops`."""
        device = next(self.backbone.parameters()).device
        inputs = (crops.inputs[name] for name in ("query", "support", "keypoints", "visible"))
        points = self(*(torch.from_numpy(array).to(device) for array in inputs))
        return CropAnswer(points.cpu().numpy(), None)


def nearest_neighbours() -> dict[str, NearestNeighbour]:
    """The two baselines on EfficientNet-Lite0's ImageNet features, by name.

    Raises:
        OSError: the weights' package is not installed.
    """
    backbone = timm.create_model(LITE0, features_only=True, out_indices=(2, 3, 4), pretrained=False)
    load_pretrained(backbone, LITE0, "package")
    return {
        "nearest neighbour x position": NearestNeighbour(backbone, soft=False),
        "nearest neighbour x position, soft": NearestNeighbour(backbone, soft=True),
    }


def _shown_mean(keypoints: Floats, visible: Bools) -> Floats:
    """Mean over shots of the visible positions: (B, S, K, 2), (B, S, K) -> (B, K, 2)."""
    shown = visible[..., None].astype(np.float32)
    mean: Floats = (keypoints * shown).sum(1) / np.maximum(shown.sum(1), 1)
    return mean
