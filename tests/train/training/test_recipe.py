# SPDX-License-Identifier: Apache-2.0
"""Recipes: their JSON, the changes of the command line, the schedule and who learns how fast."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from fmmp_runtime.settings import from_json, to_json
from fmmp_train.model import ModelConfig, Network
from fmmp_train.training.config import override
from fmmp_train.training.optimizer import create_optimizer, set_rate
from fmmp_train.training.presets import PRESETS, LossConfig, MixtureConfig, OptimizerConfig, TrainConfig
from fmmp_train.training.schedule import ScheduleConfig, factor
from tests.train.recipes import tiny


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    config = PRESETS[name]()
    assert from_json(TrainConfig, to_json(config)) == config


def test_released_preset_is_the_released_training() -> None:
    config = PRESETS["released"]()
    assert config.model == ModelConfig()  # ResNet-50, full heads, D=256, K=70, start at the centre
    assert (config.optimizer.name, config.optimizer.lr, config.batch_size) == ("adam", 1e-4, 16)
    rates = [factor(config.schedule, step, 20_000) for step in (1000, 15_999, 16_000, 17_999, 18_000)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01])  # epochs 160 and 180 of 200
    assert config.loss == LossConfig(beta=0.5, match=0)
    augmentation = config.augmentation
    assert (augmentation.scale, augmentation.rotation_deg, augmentation.colour) == (0.15, 15, 0)


def test_demo_preset_learns_only_what_may_be_shipped() -> None:
    assert set(PRESETS["demo"]().mixture.categories) <= {66, 107, 108}


def test_changes_reach_every_depth() -> None:
    config = override(
        PRESETS["demo"](),
        [
            "batch_size=4",
            "schedule.kind=step",
            "schedule.milestones=[0.5]",
            "optimizer.rates.descriptor=0.1",
            'optimizer.rates={"backbone": 0.5, "backbone.blocks.6": 1}',
            "optimizer.lr=1",
            "steps=null",
            "epochs=2.5",
            "model.max_keypoints=35",
        ],
    )
    assert (config.batch_size, config.steps, config.epochs) == (4, None, 2.5)
    assert (config.schedule.kind, config.schedule.milestones) == ("step", (0.5,))
    assert config.optimizer.rates == {"backbone": 0.5, "backbone.blocks.6": 1.0}
    assert config.optimizer.lr == 1.0
    assert config.examples.max_keypoints == 35  # follows the model


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("stepz=1", r"unknown key 'stepz'; known keys are .*\bsteps\b"),
        ("model.dimm=3", r"unknown key 'model.dimm'; known keys are .*\bdim\b"),
        ("steps=1.5", "steps must be a whole number"),
        ("steps=true", "steps must be a whole number"),
        ("batch_size=many", 'batch_size must be a whole number, got "many"'),
        ("schedule.kind=sine", 'must be one of constant, step, cosine, got "sine"'),
        ('mixture.categories=["a"]', r"mixture.categories\[0\] must be a whole number"),
        ("optimizer.rates.backbone=fast", "optimizer.rates.backbone must be a number"),
        ("model=3", "model must be an object"),
        ("steps.x=1", "steps has no fields"),
        ("steps", "expected field=value"),
        ("batch_size=0", "batch_size must be at least 1"),
        ("epochs=3", "give steps or epochs"),
        ("steps=0", "at least one step"),
        ("average=1", r"average must be in \[0, 1\)"),
        ("mixture.synthetic=-1", "0 or more"),
        ("optimizer.lr=0", "lr must be above 0"),
        ("optimizer.clip=-1", "must be 0 or more"),
        ("seed=-1", "seed must be 0 or more"),
        ("augmentation.scale=-0.1", r"scale must be in \[0, 1\)"),
        ("augmentation.scale=1", r"scale must be in \[0, 1\)"),
        ("augmentation.colour=-1", "colour must be 0 or more"),
        ("augmentation.blur_chance=1.5", "blur_chance must be from 0 to 1"),
        ("examples.flip_chance=-1", "flip_chance must be from 0 to 1"),
        ("examples.shots=0", "shots must be at least 1"),
        ("examples.alpha=0", "alpha must be above 0"),
        ("loss.beta=-1", "beta, match and miss must be 0 or more"),
        ("schedule.warmup_steps=-1", "warmup_steps must be 0 or more"),
        ("schedule.milestones=[0.9,0.1]", "milestones must rise"),
        ('model={"start": "center"}', "loss.match needs"),
    ],
)
def test_wrong_changes_are_named(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        override(PRESETS["demo"](), [setting])


def test_a_damaged_recipe_is_named() -> None:
    with pytest.raises(ValueError, match="not JSON"):
        from_json(TrainConfig, "{")
    values = json.loads(to_json(tiny()))
    values["model"]["colour"] = "red"
    with pytest.raises(ValueError, match=r"unknown key 'model\.colour'"):
        from_json(TrainConfig, json.dumps(values))


def test_epochs_need_photographs() -> None:
    with pytest.raises(ValueError, match="epochs are counted in annotated photographs"):
        replace(tiny(), steps=None, epochs=3)
    assert replace(tiny(), steps=None, epochs=3, mixture=MixtureConfig(photographs=1)).epochs == 3


def test_schedules_against_their_definition() -> None:
    steps = 100
    cosine = ScheduleConfig(kind="cosine", warmup_steps=0, floor=0.1)
    assert factor(cosine, 0, steps) == 1
    assert factor(cosine, 99, steps) == pytest.approx(0.1)
    assert factor(cosine, 33, steps) == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi / 3)) / 2)
    warm = ScheduleConfig(kind="constant", warmup_steps=10, warmup_start=0.2)
    assert [factor(warm, step, steps) for step in (0, 5, 10, 99)] == pytest.approx([0.2, 0.6, 1, 1])
    step = ScheduleConfig(kind="step", warmup_steps=0, milestones=(0.8, 0.9), drop=0.5)
    assert [factor(step, at, steps) for at in (79, 80, 90)] == [1, 0.5, 0.25]
    assert factor(ScheduleConfig(), 0, 1) > 0  # a run of one step learns


def test_rates_of_parts() -> None:
    network = Network(tiny().model)
    rates = {"backbone": 0.0, "backbone.layer4": 0.5, "descriptor": 0.1}
    optimizer = create_optimizer(network, OptimizerConfig(lr=1.0, weight_decay=0.3, rates=rates))
    set_rate(optimizer, 0.2)
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        expected = 0.2
        if name.startswith("backbone."):
            expected = 0.1 if name.startswith("backbone.layer4.") else 0.0
        elif name.startswith("descriptor."):
            expected = 0.02
        assert parameter.requires_grad == (expected > 0), name
        if expected:
            group = groups.pop(id(parameter))
            assert group["lr"] == pytest.approx(expected), name
            assert group["weight_decay"] == (0.3 if parameter.ndim > 1 else 0), name
    assert not groups


def test_wrong_parts_are_named() -> None:
    layer = nn.ModuleDict({"head": nn.Linear(2, 2), "tail": nn.Linear(2, 2)})
    with pytest.raises(ValueError, match="no part 'hea', but head, tail"):
        create_optimizer(layer, OptimizerConfig(rates={"hea": 0}))
    with pytest.raises(ValueError, match="nothing to train"):
        create_optimizer(layer, OptimizerConfig(rates={"head": 0, "tail": 0}))
    assert isinstance(create_optimizer(layer, OptimizerConfig(name="adam")), torch.optim.Adam)
