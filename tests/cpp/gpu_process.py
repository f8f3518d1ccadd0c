# SPDX-License-Identifier: Apache-2.0
"""The TensorRT backend of the C++ runtime on a GPU of host memory: `gpu_process.py LIBRARY FAKE BUNDLE`."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fmmp_runtime import PoseEstimator, Support
from tests.cpp.build import environment
from tests.cpp.c_api import Api, FmmpError, image, rows

library, fake_folder, bundle = map(Path, sys.argv[1:])
fake = ctypes.CDLL(str(fake_folder / "libfmmp_tensorrt.so"))
RNG = np.random.default_rng(0)
FRAMES = [RNG.integers(0, 256, (90 + 7 * n, 140 - 5 * n, 3), dtype=np.uint8) for n in range(5)]
POINTS = np.array([[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]])
PIXELS = 1e-9  # the same float64 operations in another order
BRIGHTNESS = 1 / 255  # the crop on a GPU is not that of OpenCV


def main() -> None:
    variables = environment()
    api = Api(library, variables)
    estimator = api.open(bundle, backend="auto")
    assert estimator.description.startswith("TensorRT "), estimator.description
    assert " on sm86, with the operator of " in estimator.description
    assert (fake.fake_runs(), fake.fake_replays()) == (2, 0)  # once to set up, once to record
    idle = fake.fake_live()

    python = PoseEstimator(bundle, backend="onnxruntime", threads=1)
    supports = [
        Support(FRAMES[0], POINTS),
        Support(FRAMES[1], POINTS[::-1].copy(), [[0, 1]], [True, False, True, True]),
    ]
    states = [estimator.remember([support]) for support in supports]
    expected = [python.remember([support]) for support in supports]
    for turn in range(12):  # smaller frames, larger ones, one state and the other
        frame, which = FRAMES[turn * 3 % 5], turn // 2 % 2
        box = None if turn % 3 else [20.0, 10.0, 61.0, 51.0]
        found = estimator.locate(frame, states[which], box)
        pose = python.locate(frame, expected[which], box)
        np.testing.assert_allclose(found.keypoints, pose.keypoints, rtol=0, atol=PIXELS)
        np.testing.assert_allclose(found.score, pose.score, rtol=0, atol=BRIGHTNESS)
        assert found.known == pose.known.tolist()
    assert (fake.fake_runs(), fake.fake_replays()) == (4, 12)  # the queries are replayed
    assert fake.fake_state_copies() == 5 * 6  # five tensors, when the state is another one

    turned = rows(FRAMES[0][..., ::-1], 5)  # the frame of OpenCV: BGR, gaps between rows
    found = estimator.locate(image(turned, channels=1), states[0])
    np.testing.assert_array_equal(found.score, estimator.locate(FRAMES[0], states[0]).score)

    loaded(estimator, python, expected[0])
    threads(estimator, states)
    errors(estimator, states[0])

    del states
    gc.collect()
    other = estimator.remember([supports[0]])
    estimator.locate(FRAMES[0], other)
    held = fake.fake_live()
    for _ in range(70):  # more than stay on the GPU
        other = estimator.remember([supports[0]])
        estimator.locate(FRAMES[0], other)
    assert fake.fake_live() == held  # the dead ones went
    many = [estimator.remember([supports[0]]) for _ in range(70)]
    for state in many:
        estimator.locate(FRAMES[0], state)
    assert fake.fake_live() == held + 63
    assert fake.fake_live() > idle
    del estimator, many, other, state
    gc.collect()
    assert fake.fake_live() == 0


def loaded(estimator: Any, python: PoseEstimator, state: Any) -> None:  # noqa: ANN401
    file = bundle / "state.safetensors"
    state.save(file)
    found = estimator.locate(FRAMES[2], estimator.load_state(file))
    np.testing.assert_allclose(
        found.keypoints, python.locate(FRAMES[2], state).keypoints, rtol=0, atol=PIXELS
    )


def threads(estimator: Any, states: list[Any]) -> None:  # noqa: ANN401
    alone = [[estimator.locate(frame, state) for state in states] for frame in FRAMES]
    start = threading.Barrier(4)

    def look(_: int) -> list[Any]:
        start.wait()
        return [[estimator.locate(frame, state) for state in states] for frame in FRAMES]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(look, range(4)):
            for row, expected in zip(found, alone, strict=True):
                for one, other in zip(row, expected, strict=True):
                    np.testing.assert_array_equal(one.keypoints, other.keypoints)
                    np.testing.assert_array_equal(one.score, other.score)


def errors(estimator: Any, state: Any) -> None:  # noqa: ANN401
    """A frame that does not fit is told, and the next one works."""
    before = estimator.locate(FRAMES[0], state)
    wide = np.zeros((1, 1, 3), np.uint8)
    huge = np.lib.stride_tricks.as_strided(
        wide, (20000, 20000, 3), (60000, 0, 1)
    )  # 1.2 GB, of which nothing is read
    try:
        estimator.locate(huge, state)
    except FmmpError as error:
        said = str(error)
    assert said.startswith(
        "out of memory: pinning 1200 MB of the host failed with 5 MB of 8000 MB of the GPU"
    ), said
    np.testing.assert_array_equal(estimator.locate(FRAMES[0], state).score, before.score)


if __name__ == "__main__":
    main()
