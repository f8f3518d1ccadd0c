# SPDX-License-Identifier: Apache-2.0
"""How the learning rate moves over the steps of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["constant", "step", "cosine"]


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """Linear warm-up, then one of three shapes; a factor on each group's learning rate."""

    kind: Kind = "cosine"
    warmup_steps: int = 100  # the factor rises linearly from `warmup_start` to 1
    warmup_start: float = 0.001
    milestones: tuple[float, ...] = (0.8, 0.9)  # "step": shares of the run after which the factor drops
    drop: float = 0.1  # "step": what each milestone multiplies the factor by
    floor: float = 0.0  # "cosine": factor at the last step

    def __post_init__(self) -> None:
        """Refuse what gives no schedule."""
        if self.kind not in get_args(Kind):
            raise ValueError(f"schedule kind must be one of {get_args(Kind)}, got {self.kind!r}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must be 0 or more, got {self.warmup_steps}")
        if list(self.milestones) != sorted(self.milestones) or any(not 0 < at < 1 for at in self.milestones):
            raise ValueError(f"milestones must rise within (0, 1), got {self.milestones}")


def factor(config: ScheduleConfig, step: int, steps: int) -> float:
    """Factor on the learning rate at `step` of `steps`, both counted from 0: a function of the step alone."""
    warmup = 1.0
    if step < config.warmup_steps:
        warmup = config.warmup_start + (1 - config.warmup_start) * step / config.warmup_steps
    if config.kind == "constant":
        return warmup
    if config.kind == "step":
        return warmup * config.drop ** sum(step >= at * steps for at in config.milestones)
    progress = min(step / max(steps - 1, 1), 1.0)
    return warmup * (config.floor + (1 - config.floor) * (1 + math.cos(math.pi * progress)) / 2)
