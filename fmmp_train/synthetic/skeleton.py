# SPDX-License-Identifier: Apache-2.0
"""Pose a figure: proportions, joints, a smooth bend, and a camera that looks at it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fmmp_train.synthetic.figure import Figure

Array = NDArray[np.float64]


class Posed(NamedTuple):
    """One instance seen by a camera, before it is fitted to a picture."""

    xy: Array  # (V, 2), y down
    depth: Array  # (V,), larger is nearer
    scale: Array  # (V,), picture units for one unit of the figure


class Skeleton:
    """A figure as arrays, ready to be posed."""

    def __init__(self, figure: Figure) -> None:
        self.parents = figure.parents
        origins = np.asarray(figure.origins, float)
        self.swings = np.asarray(figure.swings, float)
        self.groups = np.asarray(figure.groups, np.int64)
        self.num_groups = int(self.groups.max()) + 1
        self.bone_of = np.asarray(figure.bone_of, np.int64)
        self.local = np.asarray(figure.points, float) - origins[self.bone_of]
        parents = np.maximum(np.asarray(figure.parents, np.int64), 0)
        self.offsets = origins - np.where(np.asarray(figure.parents)[:, None] < 0, 0, origins[parents])
        self.view = figure.view

    def pose(self, rng: np.random.Generator, shape_spread: float, pose_spread: float, sway: float) -> Posed:
        """Draw one instance: proportions, joint angles, a smooth bend of everything, and a view of it."""
        scales = np.exp(rng.normal(0, shape_spread, (self.num_groups, 3)).clip(-0.5, 0.5))[self.groups]
        rotations = _euler(np.clip(rng.normal(0, 1, self.swings.shape), -2, 2) * self.swings * pose_spread)
        places = np.zeros((len(self.parents), 3))
        for i, parent in enumerate(self.parents):
            if parent < 0:
                places[i] = self.offsets[i]
                continue
            places[i] = rotations[parent] @ (self.offsets[i] * scales[parent]) + places[parent]
            rotations[i] = rotations[parent] @ rotations[i]
        world = np.einsum("vij,vj->vi", rotations[self.bone_of], self.local * scales[self.bone_of])
        world += places[self.bone_of]
        if sway > 0:
            waves = rng.normal(0, 2.2, (3, 3))
            world = world + sway * np.sin(world @ waves + rng.uniform(0, 2 * np.pi, 3))
        return self._look(world, rng)

    def _look(self, world: Array, rng: np.random.Generator) -> Posed:
        view = self.view
        yaw, pitch, roll = rng.normal(0, 1, 3).clip(-2, 2) * (
            view.yaw_spread,
            view.pitch_spread,
            view.roll_spread,
        )
        turn = np.pi if rng.random() < view.turn_chance else 0.0
        camera = (
            _euler(np.array([[view.pitch + pitch, 0, 0]]))[0]
            @ _euler(np.array([[0, view.yaw + yaw + turn, 0]]))[0]
        )
        camera = _euler(np.array([[0, 0, roll]]))[0] @ camera
        seen = (world - world.mean(0)) @ camera.T
        distance = rng.uniform(2.2, 8) * max(float(np.ptp(seen, axis=0).max()), 1e-6)
        scale = distance / (distance - seen[:, 2])
        return Posed(seen[:, :2] * scale[:, None] * (1, -1), seen[:, 2], scale)


def _euler(angles: Array) -> Array:
    """Rotations (B, 3, 3) = Rz Ry Rx of angles (B, 3) about x, y, z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    rows = [cy * cz, sx * sy * cz - cx * sz, cx * sy * cz + sx * sz]
    rows += [cy * sz, sx * sy * sz + cx * cz, cx * sy * sz - sx * cz, -sy, sx * cy, cx * cy]
    return np.stack(rows, -1).reshape(-1, 3, 3)
