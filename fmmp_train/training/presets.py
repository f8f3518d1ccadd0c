# SPDX-License-Identifier: Apache-2.0
"""Recipes: all that decides a training run, as one frozen value that travels inside its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fmmp_runtime.settings import build, parse, to_json
from fmmp_train.data.examples.augment import Augmentation
from fmmp_train.data.examples.dataset import ExampleOptions
from fmmp_train.model import ModelConfig
from fmmp_train.training.config import override
from fmmp_train.training.schedule import ScheduleConfig
from fmmp_train.training.variants import VARIANTS


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

    def __post_init__(self) -> None:
        """Refuse what would reward errors."""
        if min(self.beta, self.match, self.miss) < 0 or not self.match_sigma > 0:
            raise ValueError(f"beta, match and miss must be 0 or more and match_sigma above 0, got {self}")


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
    calibration: float = (
        0.1  # at the end, the score is fitted to at most this share of the pairs learnt; 0, none
    )

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
        for name in ("seed", "calibration"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
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


def change(base: TrainConfig, variant: str) -> TrainConfig:
    """A recipe with what one of `VARIANTS` changes in it."""
    return override(base, VARIANTS[variant])


def read_recipe(name: str) -> TrainConfig:
    """A preset by its name, or the recipe of a JSON file, which may name a preset that it changes.

    Raises:
        OSError: the file can't be read.
        ValueError: there is neither, or the recipe is wrong.
    """
    if name in PRESETS:
        return PRESETS[name]()
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"no preset {name!r}, and no such file; presets: {', '.join(PRESETS)}")
    try:
        values = parse(path.read_text(encoding="utf-8-sig"))
        if not isinstance(values, dict):
            raise ValueError(f"expected an object with fields, got {type(values).__name__}")
        return _recipe(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _recipe(values: dict[str, Any]) -> TrainConfig:
    """The recipe of a file."""
    if "preset" not in values:
        if lacking := [name for name in ("model", "mixture") if name not in values]:
            raise ValueError(
                f"no {' and no '.join(lacking)} in it: give a whole recipe (fmmp-train --print-recipe prints "
                'one), or name the one that this changes, as "preset": "small"'
            )
        return build(TrainConfig, values)
    base = values["preset"]
    if base not in list(PRESETS):
        raise ValueError(f"no preset {base!r}; presets: {', '.join(PRESETS)}")
    changes = {key: value for key, value in values.items() if key != "preset"}
    if len({"steps", "epochs"} & changes.keys()) == 1:  # the other way to say how long
        changes = {"steps": None, "epochs": None} | changes
    return build(TrainConfig, _merge(parse(to_json(PRESETS[base]())), changes))


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with some fields changed, at any depth."""
    merged = dict(base)
    for name, value in changes.items():
        old = base.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


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
