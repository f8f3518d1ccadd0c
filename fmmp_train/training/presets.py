# SPDX-License-Identifier: Apache-2.0
"""Recipes: all that decides a training run, as one frozen value that travels inside its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from fmmp_train.data.examples.augment import Augmentation
from fmmp_train.data.examples.dataset import ExampleOptions
from fmmp_train.model import ModelConfig
from fmmp_train.training.config import override
from fmmp_train.training.schedule import ScheduleConfig


@dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """How often an example comes from each kind of data; a weight of 0 leaves a kind out."""

    synthetic: float = 0.0  # invented categories
    photographs: float = 0.0  # annotated ones, of the data folder
    self_pairs: float = 0.0  # one photograph and a warped copy of it
    categories: tuple[int, ...] = ()  # ids of the annotated categories to learn from; empty, all of the split

    def __post_init__(self) -> None:
        """Refuse negative weights and an empty mixture."""
        weights = (self.synthetic, self.photographs, self.self_pairs)
        if min(weights) < 0 or max(weights) == 0:
            raise ValueError(f"mixture weights must be 0 or more, and one of them above 0, got {weights}")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Adam or AdamW, with slower or frozen parts."""

    name: Literal["adam", "adamw"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-3
    clip: float = 1.0  # largest norm of the gradient; 0, no limit
    rates: Mapping[str, float] = field(default_factory=dict)
    # part of the network, as "backbone" or "backbone.blocks.6" -> factor on lr; the innermost wins, 0 freezes

    def __post_init__(self) -> None:
        """Refuse what no optimizer takes."""
        if not self.lr > 0:
            raise ValueError(f"lr must be above 0, got {self.lr}")
        if self.weight_decay < 0 or self.clip < 0 or any(rate < 0 for rate in self.rates.values()):
            raise ValueError("weight_decay, clip and rates must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Weights of the loss's terms."""

    beta: float = 0.5  # of the padded keypoints: FMMP, Eq. (9)
    match: float = 0.0  # of the match maps' cross-entropy; for a network that starts from a match
    match_sigma: float = 0.6  # of its target, cells
    miss: float = 0.0  # of the smooth share of missed keypoints


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A recipe."""

    model: ModelConfig
    mixture: MixtureConfig
    examples: ExampleOptions = field(default_factory=ExampleOptions)  # its size, K and heads follow the model
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    batch_size: int = 8  # pairs of a step, over all processes
    accumulate: int = 1  # parts that each process does of a step, one after the other: the memory of one part
    steps: int | None = None  # give this or `epochs`
    epochs: float | None = None  # passes over as many pairs as there are annotated instances to learn from
    backbone_weights: Literal["none", "package", "file"] = "none"  # what the backbone starts from
    backbone_norm: Literal["frozen", "train"] = "frozen"  # statistics of its batch normalisation
    backbone_bfloat16: bool = False  # of a frozen backbone: half the time on a CPU
    precision: Literal["no", "bf16", "fp16"] = "no"  # mixed precision of everything
    average: float = 0.0  # decay of the moving average of the weights, which is what is saved; 0, none
    seed: int = 0
    eval_every: int = 1000  # steps between validations
    eval_pairs: int = 24  # of a category
    save_every: int = 500  # steps between savings of the state to resume from

    def __post_init__(self) -> None:
        """Refuse what no run can follow."""
        for name in ("batch_size", "accumulate", "eval_every", "eval_pairs", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give steps or epochs, and set the other to null")
        if not (self.steps or self.epochs or 0) > 0:
            raise ValueError(f"a run needs at least one step, got steps={self.steps}, epochs={self.epochs}")
        if self.epochs is not None and not self.mixture.photographs:
            raise ValueError(
                "epochs are counted in annotated photographs, and the mixture has none: give steps"
            )
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be in [0, 1), got {self.average}")
        if self.loss.match and self.model.start != "match":
            raise ValueError(
                'loss.match needs model.start="match": a network that starts elsewhere has no match'
            )
        examples = replace(
            self.examples,
            image_size=self.model.image_size,
            max_keypoints=self.model.max_keypoints,
            num_heads=self.model.num_heads,
        )
        object.__setattr__(self, "examples", examples)


def released() -> TrainConfig:
    """The released network and its training on MP-100: section 4.1, and the released code."""
    return TrainConfig(
        model=ModelConfig(),
        mixture=MixtureConfig(photographs=1),
        examples=ExampleOptions(padding="mixup", alpha=1.0, subset_chance=0, shuffle=False, flip_chance=0),
        augmentation=Augmentation(
            scale=0.15, rotation_deg=15, rotation_chance=0.6, colour=0, blur_chance=0, patch_chance=0
        ),
        optimizer=OptimizerConfig(name="adam", lr=1e-4, weight_decay=0, clip=0),
        schedule=ScheduleConfig(kind="step", warmup_steps=1000, milestones=(0.8, 0.9)),
        batch_size=16,
        epochs=200,
        backbone_weights="file",
        backbone_norm="train",
    )


def released_with(backbone: str, rates: Mapping[str, float]) -> TrainConfig:
    """The released network and training on another backbone, parts of which learn at these `rates`.

    The paper has ResNet-50 alone; its competitors' tables say that a backbone is worth more than a head.
    """
    base = released()
    return replace(
        base,
        model=replace(base.model, backbone=backbone),
        optimizer=replace(base.optimizer, rates=rates),
    )


def demo() -> TrainConfig:
    """A small network for a CPU, learnt only from data that allows shipping the weights."""
    return TrainConfig(
        model=ModelConfig(
            backbone="tf_efficientnet_lite0", dim=128, structure="lite", start="match", orientations=4
        ),
        mixture=MixtureConfig(synthetic=0.35, photographs=0.2, self_pairs=0.45, categories=(66, 107, 108)),
        optimizer=OptimizerConfig(
            name="adamw",
            lr=1e-3,
            weight_decay=1e-3,
            clip=1,
            rates={"backbone": 0, **{f"backbone.blocks.{block}": 0.04 for block in (4, 5, 6)}, "match": 0.2},
        ),
        schedule=ScheduleConfig(kind="cosine", warmup_steps=50),
        loss=LossConfig(match=0.05, miss=1),
        batch_size=8,
        steps=2200,
        backbone_weights="package",
        average=0.995,
        eval_every=200,
        save_every=100,
    )


def small() -> TrainConfig:
    """The paper's network and training at a scale that a CPU core trains in minutes: for synthetic data.

    Crops of 128 pixels, a frozen backbone, heads as Eq. (7) is printed: to compare versions of the network
    with each other, not for use.
    """
    return TrainConfig(
        model=ModelConfig(backbone="tf_efficientnet_lite0", dim=64, structure="lite", image_size=128),
        mixture=MixtureConfig(photographs=1),
        examples=ExampleOptions(padding="mixup", alpha=1.0, subset_chance=0, shuffle=False, flip_chance=0),
        augmentation=Augmentation(
            scale=0.15, rotation_deg=15, rotation_chance=0.6, colour=0, blur_chance=0, patch_chance=0
        ),
        optimizer=OptimizerConfig(name="adamw", lr=1e-3, weight_decay=1e-3, clip=1, rates={"backbone": 0}),
        schedule=ScheduleConfig(kind="cosine", warmup_steps=100),
        batch_size=16,
        steps=1200,
        backbone_weights="package",
        backbone_bfloat16=True,
        average=0.99,
        eval_every=1200,
    )


# What the paper's tables and our sweeps change in a recipe, in the words of `fmmp-train --set`.
_BASE = ("model.links=none", "examples.padding=zero", "model.test_padding=zero", "loss.beta=0")
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "table3-1": ("model.support=none", *_BASE),
    "table3-2": _BASE,
    "table3-3": _BASE[1:],
    "table3-4": ("loss.beta=0",),
    "table3-5": (),
    "table4-fledged": (),
    "table4-s3q3": ("model.support=stacked",),
    "table4-alllink": ("model.links=all",),
    "table4-nonelink": ("model.links=none",),
    "table4-mixuptest": ("model.test_padding=mixup",),
    "table4-zerotest": ("model.test_padding=zero",),
    "k35": ("model.max_keypoints=35",),
    "alpha-0.5": ("examples.alpha=0.5",),
    "alpha-2": ("examples.alpha=2",),
    "beta-0.25": ("loss.beta=0.25",),
    "beta-1": ("loss.beta=1",),
    "layers-1": ("model.num_layers=1",),
    "layers-2": ("model.num_layers=2",),
    "layers-4": ("model.num_layers=4",),
    "heads-2": ("model.num_heads=2",),
    "heads-4": ("model.num_heads=4",),
    "shots-5": ("examples.shots=5",),
}


def change(base: TrainConfig, variant: str) -> TrainConfig:
    """A recipe with what one of `VARIANTS` changes in it."""
    return override(base, VARIANTS[variant])


def _variant(name: str) -> Callable[[], TrainConfig]:
    return lambda: change(released(), name)


PRESETS: Mapping[str, Callable[[], TrainConfig]] = {
    "released": released,
    "released-swinv2-t": lambda: released_with("swinv2_tiny_window8_256", {"backbone": 0.1}),
    "released-convnext-t": lambda: released_with("convnext_tiny", {"backbone": 0.1}),
    "released-dinov2-s": lambda: released_with(
        "vit_small_patch14_dinov2", {"backbone": 0, "backbone.scales": 1}
    ),
    "demo": demo,
    "small": small,
    **{name: _variant(name) for name in VARIANTS},
}
