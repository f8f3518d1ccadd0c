# SPDX-License-Identifier: Apache-2.0
"""Choose a family of figures, build one of it, choose its keypoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fmmp_runtime.pose import minimum_spanning_tree
from fmmp_train.synthetic.bank import TextureBank
from fmmp_train.synthetic.draft import Draft
from fmmp_train.synthetic.families.living import bird, face, fish, hand, insect, leaf, person, quadruped, tree
from fmmp_train.synthetic.families.made import aeroplane, bottle, cabinet, car, chair, clothes, cycle, grid
from fmmp_train.synthetic.figure import Figure
from fmmp_train.synthetic.textures import Texture

MIN_KEYPOINTS, MAX_KEYPOINTS = 4, 68
_MOST_LINKS = 6  # of a keypoint
_ALL_KEPT_CHANCE, _LEAST_KEPT = 0.35, 0.45  # of the keypoints that a family declares
_SHUFFLE_CHANCE = 0.3  # of keypoints in no particular order

FAMILIES: dict[str, tuple[float, Callable[[Draft], None]]] = {  # how often, builder
    "quadruped": (1.0, quadruped.build),
    "person": (1.0, person.build),
    "insect": (1.0, insect.build),
    "tree": (1.5, tree.build),
    "face": (1.4, face.build),
    "hand": (1.0, hand.build),
    "car": (1.0, car.build),
    "cycle": (0.6, cycle.build),
    "chair": (1.0, chair.build),
    "cabinet": (0.6, cabinet.build),
    "aeroplane": (0.6, aeroplane.build),
    "clothes": (1.0, clothes.build),
    "leaf": (0.8, leaf.build),
    "grid": (0.5, grid.build),
    "bottle": (0.8, bottle.build),
    "fish": (0.6, fish.build),
    "bird": (0.8, bird.build),
}


def build_figure(rng: np.random.Generator, bank: TextureBank) -> tuple[str, Figure, list[Texture]]:
    """A random figure with MIN_KEYPOINTS to MAX_KEYPOINTS keypoints, its family's name and its textures."""
    names = list(FAMILIES)
    weights = np.array([FAMILIES[name][0] for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    draft = Draft(rng, bank)
    FAMILIES[name][1](draft)
    figure = draft.figure
    kept = _choose_keypoints(len(figure.keypoints), rng)
    figure.keep(kept)
    ends = np.array(figure.links, np.int64).ravel()
    if np.bincount(ends, minlength=1).max() > _MOST_LINKS:  # a star says nothing about who is near whom
        corners = np.array([figure.points[i] for i in figure.keypoints], np.float64)[:, :2]
        tree_links = minimum_spanning_tree(corners, np.ones(len(kept), np.bool_))
        figure.links = [(int(a), int(b)) for a, b in tree_links]
    return name, figure, draft.textures


def _choose_keypoints(total: int, rng: np.random.Generator) -> list[int]:
    share = 1.0 if rng.random() < _ALL_KEPT_CHANCE else rng.uniform(_LEAST_KEPT, 1)
    count = int(np.clip(round(total * share), MIN_KEYPOINTS, min(MAX_KEYPOINTS, total)))
    kept = np.sort(rng.choice(total, count, replace=False))
    if rng.random() < _SHUFFLE_CHANCE:
        kept = rng.permutation(kept)
    return [int(i) for i in kept]
