# SPDX-License-Identifier: Apache-2.0
"""Which parameters learn, and how fast."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from fmmp_train.training.presets import OptimizerConfig


def create_optimizer(network: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Freeze what has rate 0 and group the rest by rate and decay.

    Vectors (biases, norms, scales) don't decay. Each group's "scale" is its factor on the learning rate.

    Raises:
        ValueError: a rate names no part of the network, or nothing is left to train.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        scale = rate_of(name, config.rates)
        parameter.requires_grad_(scale > 0)
        if scale > 0:
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((scale, decay), []).append(parameter)
    names = [name for name, _ in network.named_parameters()]
    for part in config.rates:
        if not any(_is_part(name, part) for name in names):
            parts = ", ".join(sorted({name.partition(".")[0] for name in names}))
            raise ValueError(f"optimizer.rates: the network has no part {part!r}, but {parts} and theirs")
    if not groups:
        raise ValueError("optimizer.rates freezes the whole network: there is nothing to train")
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    return kind(
        [
            {"params": parameters, "lr": config.lr * scale, "weight_decay": decay, "scale": scale}
            for (scale, decay), parameters in groups.items()
        ],
        lr=config.lr,
    )


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every group its share of `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["scale"]


def rate_of(name: str, rates: Mapping[str, float]) -> float:
    """Factor of the innermost part that parameter `name` lies in; 1 in none."""
    inside = [part for part in rates if _is_part(name, part)]
    return rates[max(inside, key=len)] if inside else 1.0


def _is_part(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")
