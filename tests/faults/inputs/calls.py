# SPDX-License-Identifier: Apache-2.0
"""Calls of `PoseEstimator` with arguments of any kind, and the files of settings."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from fmmp_runtime import PoseEstimator, Support
from fmmp_runtime.settings import from_json, to_json
from tests.fakes.bundle import write_bundle
from tests.faults.inputs.bundles import IMAGE, POINTS
from tests.faults.spoil import VALUES, spoil_bytes, spoil_json
from tests.faults.verdict import Attack, Strike, ends_well, holds

HOSTILE: tuple[Any, ...] = (
    *VALUES,
    *(float("nan"), float("inf"), 10**400, 1j, b"x", object(), {1, 2}, range(3), np.float16(3)),
    *(np.zeros(0), np.full((4, 2), np.nan), np.full((4, 2), 1e300), np.zeros((4, 2), complex)),
    *(
        np.array(["a"]),
        np.array([None, 1], object),
        np.zeros((3, 4, 5)),
        [[0, 0, 1e-9, 1e-9]],
        [0, 0, 1e30, 1],
    ),
)
FRAMES: tuple[Any, ...] = (
    *(np.zeros((0, 0, 3), np.uint8), np.zeros((1, 1, 3), np.uint8), np.zeros((1, 40000, 3), np.uint8)),
    *(np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), IMAGE.astype(np.float32), IMAGE[::-1, ::2]),
)


def estimator_calls(folder: Path) -> Strike:
    """remember and locate; afterwards the estimator answers as before."""
    estimator = PoseEstimator(write_bundle(folder / "bundle", batches=[2]), "onnxruntime", threads=1)
    state = estimator.remember([Support(IMAGE, POINTS)])
    good = estimator.locate(IMAGE, state)

    def maybe(draw: random.Random, right: Any, wrong: tuple[Any, ...] = HOSTILE) -> Any:  # noqa: ANN401
        pick = draw.random()
        if pick < 0.6:
            return right
        value = draw.choice(wrong)
        return [value] * draw.randrange(4) if pick > 0.9 else value

    def strike(draw: random.Random) -> bool:
        support = Support(
            maybe(draw, IMAGE, HOSTILE + FRAMES),
            maybe(draw, POINTS),
            maybe(draw, [[0, 1]]),
            maybe(draw, None),
            maybe(draw, None),
        )
        made = ends_well(lambda: estimator.remember(maybe(draw, [support])))
        frame, box = maybe(draw, IMAGE, HOSTILE + FRAMES), maybe(draw, None)
        answer: Any = ends_well(lambda: estimator.locate(frame, maybe(draw, made or state), box))
        for pose in answer if isinstance(answer, list) else [answer]:
            holds(pose is None or bool(np.isfinite(pose.keypoints).all()), "points that are no numbers")
        again = estimator.locate(IMAGE, state)
        holds(np.array_equal(again.keypoints, good.keypoints), "another answer after an error")
        return answer is not None

    return strike


def recipes(folder: Path) -> Strike:
    """Recipes of training: what is taken is the same when written and read again."""
    from fmmp_train.training.presets import TrainConfig
    from tests.train.recipes import tiny

    whole = to_json(tiny())
    content = json.loads(whole)

    def strike(draw: random.Random) -> bool:
        text = spoil_json(content, draw) if draw.random() < 0.8 else spoil_bytes(whole.encode(), draw)
        config = ends_well(lambda: from_json(TrainConfig, text))
        if config is not None:
            holds(from_json(TrainConfig, to_json(config)) == config, "another recipe when read again")
        return config is not None

    return strike


ATTACKS = [Attack("calls", estimator_calls, 300), Attack("recipes", recipes, 300)]
