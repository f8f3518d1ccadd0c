# SPDX-License-Identifier: Apache-2.0
"""The names of the recipes, and what some of them change in another; without torch, for `--help`."""

from __future__ import annotations

from collections.abc import Mapping

PRESETS: Mapping[str, str] = {  # name -> what it is
    "released": "the network and training of the paper, on MP-100",
    "released-swinv2-t": "the same with SwinV2-T as backbone",
    "released-convnext-t": "with ConvNeXt-T",
    "released-dinov2-s": "with DINOv2-S, frozen",
    "demo": "a small network for a CPU",
    "small": "the paper's network at a scale that a CPU core trains in minutes, to compare versions",
}

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
