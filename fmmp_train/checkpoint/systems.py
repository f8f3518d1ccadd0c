# SPDX-License-Identifier: Apache-2.0
"""The estimators that checkpoints are known of, ours and released ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from fmmp_train.checkpoint import released
from fmmp_train.checkpoint.translation import (
    capeformer,
    edgecape,
    escape,
    graphcape,
    metapoint,
    pomnet,
    scape,
)
from fmmp_train.model import Estimator, ModelConfig, Network
from fmmp_train.model.capeformer import CapeFormer, CapeFormerConfig
from fmmp_train.model.edgecape import EdgeCape, EdgeCapeConfig
from fmmp_train.model.escape import Escape, EscapeConfig
from fmmp_train.model.graphcape import GraphCape, GraphCapeConfig
from fmmp_train.model.metapoint import MetaPoint, MetaPointConfig
from fmmp_train.model.pomnet import PomNet, PomNetConfig
from fmmp_train.model.scape import Scape, ScapeConfig


class System(NamedTuple):
    """An estimator."""

    title: str
    config: type[Any]  # its settings
    network: type[Estimator]  # made of them
    recognise: Callable[[Mapping[str, Tensor]], bool]  # whether these are its released names
    load: Callable[..., tuple[Estimator, dict[str, Tensor]]]  # (state, max_keypoints=) -> network, parameters


SYSTEMS: Mapping[str, System] = {
    "fmmp": System("FMMP", ModelConfig, Network, released.is_released, released.load),
    "capeformer": System("CapeFormer", CapeFormerConfig, CapeFormer, capeformer.recognise, capeformer.load),
    "graphcape": System("GraphCape", GraphCapeConfig, GraphCape, graphcape.recognise, graphcape.load),
    "pomnet": System("POMNet", PomNetConfig, PomNet, pomnet.recognise, pomnet.load),
    "escape": System("ESCAPE", EscapeConfig, Escape, escape.recognise, escape.load),
    "metapoint": System("MetaPoint", MetaPointConfig, MetaPoint, metapoint.recognise, metapoint.load),
    "scape": System("SCAPE", ScapeConfig, Scape, scape.recognise, scape.load),
    "edgecape": System("EdgeCape", EdgeCapeConfig, EdgeCape, edgecape.recognise, edgecape.load),
}


def name_of(network: Estimator) -> str:
    """The key of a network in `SYSTEMS`."""
    (name,) = (name for name, system in SYSTEMS.items() if type(network) is system.network)
    return name


def load_released(
    state: Mapping[str, Tensor], max_keypoints: int | None
) -> tuple[Estimator, dict[str, Tensor]]:
    """Find out whose checkpoint it is, and build its network; its parameters come with our names.

    Raises:
        ValueError: it is nobody's that we know, or a part that decides the shape is missing.
    """
    for system in SYSTEMS.values():
        if system.recognise(state):
            return system.load(state, max_keypoints=max_keypoints)
    some = ", ".join(list(state)[:_NAMED]) or "none"
    others = ", ".join(system.title for system in SYSTEMS.values() if system.title != "FMMP")
    raise ValueError(
        f"not an FMMP checkpoint, nor one of {others}, by the names of its parameters (found {some}); "
        "give a released .pth of one of them, or a .safetensors file written by fmmp-train"
    )


_NAMED = 4  # how many parameters an error names
