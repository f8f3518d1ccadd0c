# SPDX-License-Identifier: Apache-2.0
"""What a run starts from: its data, its validation pairs and its network, opened before the first step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fmmp_train.checkpoint.files import load_network
from fmmp_train.checkpoint.pretrained import load_pretrained
from fmmp_train.data import DataError, Dataset, read_split
from fmmp_train.data.examples.dataset import Mixture
from fmmp_train.data.examples.photographs import read_photographs
from fmmp_train.data.examples.self_pairs import SelfPairSource
from fmmp_train.data.examples.sources import AnnotatedSource, Source, SyntheticSource
from fmmp_train.evaluation.pairs import Pair, draw_pairs
from fmmp_train.model import Network
from fmmp_train.training.presets import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Locations:
    """Where a run finds its files on this machine; no part of its recipe."""

    data: str | None = None  # folder with annotations/<split>.json, or MP-100's mp100_all.json, and images/
    split: str = "train"
    val_split: str | None = None  # to measure PCK on; None: "val", where there is one
    photos: tuple[str, ...] = ()  # folders of photographs for self-pairs; scikit-image's when empty
    backbone: str | None = None  # weight file of the backbone
    init: str | None = None  # checkpoint to start from
    links_from: int | None = None  # number of the first keypoint in the skeletons; None: as the files say


def create_mixture(config: TrainConfig, locations: Locations) -> Mixture:
    """Open the data of a recipe.

    Raises:
        OSError: a folder or file is missing.
        ValueError: annotations are wrong, or nothing can be drawn from them.
    """
    weights = config.mixture
    sources: list[tuple[Source, float]] = []
    if weights.synthetic:
        sources.append((SyntheticSource(augmentation=config.augmentation), weights.synthetic))
    if weights.photographs:
        sources.append(
            (AnnotatedSource(training_set(config, locations), config.augmentation), weights.photographs)
        )
    if weights.self_pairs:
        photographs = read_photographs([Path(folder) for folder in locations.photos])
        sources.append((SelfPairSource(photographs, config.augmentation), weights.self_pairs))
    return Mixture(sources, config.examples, config.seed)


def training_set(config: TrainConfig, locations: Locations) -> Dataset:
    """The annotated instances that a recipe learns from.

    Raises:
        OSError: the annotation file is missing or unreadable.
        ValueError: it is wrong, or lacks a category.
    """
    if locations.data is None:
        raise ValueError("this recipe learns from annotated photographs: say where they are (--data DIR)")
    dataset = read_split(Path(locations.data), locations.split, links_from=locations.links_from)
    wanted = config.mixture.categories
    if lacking := [number for number in wanted if number not in dataset.categories]:
        raise DataError(
            f"{dataset.source} has no category {', '.join(map(str, lacking))}, and this recipe learns from "
            f"{', '.join(map(str, wanted))}: give data that has them (--data), learn from all that is there "
            "(--set mixture.categories=[]), or from no annotated photographs (--set mixture.photographs=0)"
        )
    return dataset.subset(wanted) if wanted else dataset


def total_steps(config: TrainConfig, locations: Locations) -> int:
    """How many steps the recipe asks for; epochs are counted in annotated instances."""
    if config.steps is not None:
        return config.steps
    instances = len(training_set(config, locations).instances)
    return max(round((config.epochs or 0) * instances / config.batch_size), 1)


def create_network(config: TrainConfig, locations: Locations) -> tuple[Network, TrainConfig]:
    """Build the network that a recipe starts from.

    Returns:
        The network, and the recipe, with the shape of the checkpoint where `locations.init` names one.

    Raises:
        OSError: a weight file or package is missing.
        ValueError: the weights don't fit.
    """
    if locations.init is not None:
        network = load_network(locations.init, max_keypoints=config.model.max_keypoints)
        return network, replace(config, model=network.config)
    torch.manual_seed(config.seed)
    network = Network(config.model)
    if config.backbone_weights == "package":
        load_pretrained(network.backbone, config.model.backbone, "package")
    elif config.backbone_weights == "file":
        if locations.backbone is None:
            raise ValueError(
                f"this recipe starts from ImageNet weights of {config.model.backbone}: give their file "
                "(--backbone-weights FILE), or learn from scratch (--set backbone_weights=none)"
            )
        load_pretrained(network.backbone, config.model.backbone, locations.backbone)
    return network, config


def validation_pairs(config: TrainConfig, locations: Locations) -> list[Pair]:
    """The pairs that are asked during training; none where there is no validation split.

    Raises:
        ValueError: there is no such folder, or the split is wrong or has more keypoints than the model takes.
    """
    if locations.data is None:
        return []
    folder = Path(locations.data)
    if (
        locations.val_split is None
        and folder.is_dir()
        and not (folder / "annotations" / "val.json").is_file()
    ):
        return []
    dataset = read_split(folder, locations.val_split or "val", links_from=locations.links_from)
    for category in dataset.categories.values():
        if category.num_keypoints > config.model.max_keypoints:
            raise ValueError(
                f"{dataset.source}: category {category.id} has {category.num_keypoints} keypoints, the model "
                f"takes {config.model.max_keypoints}: set model.max_keypoints, or validate on another split"
            )
    return draw_pairs(dataset, per_category=config.eval_pairs, shots=config.examples.shots)
