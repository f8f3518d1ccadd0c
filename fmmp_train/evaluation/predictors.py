# SPDX-License-Identifier: Apache-2.0
"""A trained estimator or a bundle, made into the `Predict` that `evaluate` takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from fmmp_runtime import PoseEstimator, Support, SupportState
from fmmp_train.checkpoint.files import load_model
from fmmp_train.data import Instance
from fmmp_train.data.pictures import read_picture
from fmmp_train.evaluation.evaluate import Answer, CropAnswer, Predict, on_crops
from fmmp_train.evaluation.pairs import Crops, Pair
from fmmp_train.model.estimator import Estimator, locate_crops
from fmmp_train.processes import choose_device


def network_predictor(estimator: Estimator, *, device: torch.device | str = "cpu") -> Predict:
    """Batches through PyTorch; the estimator is used in eval mode as it stands, and moved to `device`."""
    estimator = estimator.to(device).eval()

    def locate(crops: Crops) -> CropAnswer:
        located = locate_crops(estimator, crops.inputs, crops.first)  # queries of an episode share supports
        return CropAnswer(located.points[-1].float().cpu().numpy(), located.score.float().cpu().numpy())

    return on_crops(locate, estimator.config.inputs)


def bundle_predictor(estimator: PoseEstimator) -> Predict:
    """One pair at a time through the runtime, as on a robot: supports are remembered once."""
    remembered: tuple[tuple[Instance, ...], SupportState] | None = None

    def predict(pairs: Sequence[Pair]) -> list[Answer]:
        nonlocal remembered
        answers = []
        for pair in pairs:
            if remembered is None or remembered[0] != pair.supports:
                remembered = pair.supports, estimator.remember(supports_of(pair), strict=False)
            state = remembered[1]
            pose = estimator.locate(read_picture(pair.query), state, box=pair.query.box_xywh)
            answers.append(Answer(pose.keypoints, pose.score))
        return answers

    return predict


def supports_of(pair: Pair) -> list[Support]:
    """The supports of a pair as the runtime takes them."""
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
    model: Path, *, device: str = "cpu", backend: str = "auto", max_keypoints: int | None = None
) -> Predict:
    """Open a checkpoint (a file) or a bundle (a folder).

    Args:
        model: where it is.
        device: of a checkpoint.
        backend: of a bundle.
        max_keypoints: K of a released checkpoint, which doesn't say it; None: as its authors have it.

    Raises:
        OSError: it is missing or unreadable.
        ValueError: it is neither, or there is no such device or backend.
    """
    if model.is_dir():
        return bundle_predictor(PoseEstimator(model, backend=backend))
    return network_predictor(load_model(model, max_keypoints=max_keypoints), device=choose_device(device))
