# SPDX-License-Identifier: Apache-2.0
"""Choose a family of figures, build one of it, choose its keypoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fmmp_runtime.pose import minimum_spanning_tree
from fmmp_train.data.synthetic import creatures, faces, sheets, solids
from fmmp_train.data.synthetic.bank import TextureBank
from fmmp_train.data.synthetic.draft import Draft
from fmmp_train.data.synthetic.figure import Figure
from fmmp_train.data.synthetic.textures import Texture

MIN_KEYPOINTS, MAX_KEYPOINTS = 4, 68
_MOST_LINKS = 6  # of a keypoint

FAMILIES: dict[str, tuple[float, Callable[[Draft], None]]] = {  # weight, builder
    "quadruped": (1.0, creatures.quadruped),
    "person": (1.0, creatures.person),
    "insect": (1.0, creatures.insect),
    "tree": (1.5, creatures.tree),
    "face": (1.4, faces.face),
    "hand": (1.0, faces.hand),
    "car": (1.0, solids.car),
    "cycle": (0.6, solids.cycle),
    "chair": (1.0, solids.chair),
    "cabinet": (0.6, solids.cabinet),
    "aeroplane": (0.6, solids.aeroplane),
    "clothes": (1.0, sheets.clothes),
    "leaf": (0.8, sheets.leaf),
    "grid": (0.5, sheets.grid),
    "bottle": (0.8, sheets.bottle),
    "fish": (0.6, sheets.fish),
    "bird": (0.8, sheets.bird),
}


def build_figure(rng: np.random.Generator, bank: TextureBank) -> tuple[str, Figure, list[Texture]]:
    """A random figure with MIN_KEYPOINTS to MAX_KEYPOINTS keypoints, its family's name and its textures."""
    names = list(FAMILIES)
    weights = np.array([FAMILIES[name][0] for name in names])
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    draft = Draft(rng, bank)
    FAMILIES[name][1](draft)
    figure = draft.figure
    total = len(figure.keypoints)
    if total < MIN_KEYPOINTS:
        raise AssertionError(f"family {name} declared {total} keypoints")
    share = 1.0 if rng.random() < 0.35 else rng.uniform(0.45, 1)
    count = int(np.clip(round(total * share), MIN_KEYPOINTS, MAX_KEYPOINTS))
    kept = np.sort(rng.choice(total, count, replace=False)) if count < total else np.arange(total)
    if rng.random() < 0.3:
        kept = rng.permutation(kept)
    figure.keep([int(i) for i in kept])
    links = np.array(figure.links, np.int64).reshape(-1, 2)
    if (
        np.bincount(links.ravel(), minlength=1).max() > _MOST_LINKS
    ):  # a star says nothing about who is near whom
        corners = np.array([figure.points[i] for i in figure.keypoints], float)[:, :2]
        figure.links = [(a, b) for a, b in minimum_spanning_tree(corners, np.ones(count, np.bool_)).tolist()]
    return name, figure, draft.textures
