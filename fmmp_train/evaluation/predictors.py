# SPDX-License-Identifier: Apache-2.0
"""A trained network or a bundle, made into what `evaluate` asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from fmmp_runtime import PoseEstimator, Support, SupportState
from fmmp_train.checkpoint.files import load_model
from fmmp_train.data import Instance
from fmmp_train.data.images import normalize
from fmmp_train.data.pictures import read_picture
from fmmp_train.evaluation.evaluate import Answer, CropAnswer, Predict, on_crops
from fmmp_train.evaluation.pairs import Crops, Pair
from fmmp_train.model import Network
from fmmp_train.model.fmmp.state import take


def network_predictor(network: Network, *, device: torch.device | str = "cpu") -> Predict:
    """Batches through PyTorch; the network is used in eval mode as it stands, and moved to `device`."""
    network = network.to(device).eval()
    config = network.config

    @torch.inference_mode()
    def locate(crops: Crops) -> CropAnswer:
        query, support, *annotation = (torch.from_numpy(array).to(device) for array in crops[:5])
        rows, own = np.unique(
            crops.first, return_inverse=True
        )  # the queries of an episode share its supports
        chosen = torch.from_numpy(rows).to(device)
        state = network.support_state(normalize(support[chosen]), *(a[chosen] for a in annotation))
        if len(rows) < len(own):
            views = torch.arange(config.orientations)  # a state has a row for each
            of_query = torch.from_numpy(own)[:, None] * config.orientations + views
            state = take(state, of_query.flatten().to(device))
        located = network.locate(normalize(query), state)
        return CropAnswer(located.points[-1].float().cpu().numpy(), located.score.float().cpu().numpy())

    return on_crops(
        locate,
        image_size=config.image_size,
        max_keypoints=config.max_keypoints,
        num_heads=config.num_heads,
        padding=config.test_padding,
    )


def bundle_predictor(estimator: PoseEstimator) -> Predict:
    """One pair at a time through the runtime, the way a robot would ask: supports are remembered once."""
    remembered: tuple[tuple[Instance, ...], SupportState] | None = None

    def predict(pairs: Sequence[Pair]) -> list[Answer]:
        nonlocal remembered
        answers = []
        for pair in pairs:
            if remembered is None or remembered[0] != pair.supports:
                remembered = pair.supports, estimator.remember(_supports(pair), strict=False)
            state = remembered[1]
            pose = estimator.locate(read_picture(pair.query), state, box=pair.query.box_xywh)
            answers.append(Answer(pose.keypoints, pose.score))
        return answers

    return predict


def _supports(pair: Pair) -> list[Support]:
    return [
        Support(
            read_picture(instance),
            instance.keypoints_px,
            pair.links,
            visible=instance.visible,
            box=instance.box_xywh,
        )
        for instance in pair.supports
    ]


def open_predictor(
    model: Path, *, device: str = "cpu", backend: str = "auto", max_keypoints: int = 70
) -> Predict:
    """Open a checkpoint (a file) or a bundle (a folder).

    Args:
        model: where it is.
        device: of a checkpoint.
        backend: of a bundle.
        max_keypoints: K of a released checkpoint, which doesn't say it.

    Raises:
        OSError: it is missing or unreadable.
        ValueError: it is neither, or there is no such device or backend.
    """
    if model.is_dir():
        return bundle_predictor(PoseEstimator(model, backend=backend))
    return network_predictor(load_model(model, max_keypoints=max_keypoints), device=_device(device))


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"no device is called {name!r}: use cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda: this PyTorch finds no GPU; use cpu")
    return device
