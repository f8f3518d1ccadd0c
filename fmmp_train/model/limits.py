# SPDX-License-Identifier: Apache-2.0
"""Configurations and what they may ask for: they come out of files, and are multiplied into memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from fmmp_runtime.bundle import rules
from fmmp_runtime.settings import from_json, to_json

Self = TypeVar("Self", bound="Settings")

LIMITS: Mapping[str, tuple[float, float]] = {
    "dim": (1, 2048),
    "num_heads": rules.LIMITS["heads"],
    "inner_heads": rules.LIMITS["heads"],
    "num_layers": (1, 64),
    "num_points": (1, 64),
    "feed_forward": (1, 16384),
    "max_keypoints": rules.LIMITS["keypoints"],
    "image_size": rules.LIMITS["image_size"],
}
MAX_WEIGHTS = 2**26  # of one kind of projection over all layers; 40 times the released network's
_PLAIN = re.compile(r"[A-Za-z0-9_.]+")


def check_limits(config: object) -> None:
    """Refuse a configuration with a number beyond `LIMITS`, or with a backbone that is no plain name.

    Raises:
        ValueError: names the field, what it may be and what it is.
    """
    for name, (low, high) in LIMITS.items():
        found = getattr(config, name, low)
        if not low <= found <= high:
            raise ValueError(f"{name} must be {low:g} to {high:g}, got {found}")
    check_backbone_name(getattr(config, "backbone", "none"))


def check_backbone_name(name: str) -> None:
    """Refuse what timm would look for elsewhere: "hf-hub:..." asks a server, "local-dir:..." reads a folder.

    Raises:
        ValueError: it is no plain name.
    """
    if not _PLAIN.fullmatch(name):
        raise ValueError(
            f"backbone must be the name of a timm model, of letters, digits, _ and . alone, got {name[:60]!r}"
        )


class Settings:
    """Base of the frozen dataclasses that say the shape of an estimator and are saved with its weights."""

    def __post_init__(self) -> None:
        """Refuse what no machine holds, and a backbone that is no plain name."""
        check_limits(self)

    @classmethod
    def from_json(cls: type[Self], text: str) -> Self:
        """Read what `to_json` wrote; an unknown field is an error that names the known ones."""
        return from_json(cls, text)

    def to_json(self) -> str:
        """One line of JSON with every field."""
        return to_json(self)
