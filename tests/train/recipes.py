# SPDX-License-Identifier: Apache-2.0
"""A recipe so small that a step takes milliseconds, and networks whose random weights do something."""

from dataclasses import replace
from typing import Any

import torch

from fmmp_train.data.examples.dataset import ExampleOptions
from fmmp_train.model import ModelConfig, Network
from fmmp_train.training.presets import LossConfig, MixtureConfig, OptimizerConfig, TrainConfig
from fmmp_train.training.schedule import ScheduleConfig


def tiny(**changes: Any) -> TrainConfig:  # noqa: ANN401  # fields of TrainConfig
    """Six steps of two pairs on 64-pixel crops."""
    config = TrainConfig(
        model=ModelConfig(
            backbone="test_resnet",
            dim=16,
            num_heads=4,
            num_layers=2,
            image_size=64,
            structure="lite",
            start="match",
        ),
        mixture=MixtureConfig(self_pairs=1),
        examples=ExampleOptions(subset_chance=1),
        optimizer=OptimizerConfig(lr=1e-2, rates={"backbone": 0.5}),
        schedule=ScheduleConfig(warmup_steps=2),
        loss=LossConfig(match=0.1),
        batch_size=2,
        steps=6,
        average=0.9,
        eval_every=4,
        save_every=2,
        calibration=100,  # however short the run
    )
    return replace(config, **changes)


def network_of(config: ModelConfig) -> Network:
    """A network whose heads move the points, so that a difference anywhere shows in them."""
    torch.manual_seed(0)
    network = Network(config)
    for parameter in network.parameters():
        if parameter.abs().max() == 0:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()
