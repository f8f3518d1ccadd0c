# SPDX-License-Identifier: Apache-2.0
"""The demo model on photographs: `fmmp_locate` beside the Python runtime."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fmmp_runtime import PoseEstimator, Support, SupportState
from fmmp_runtime.media.image import Image, write_image
from tests.cpp.build import environment

# Both runtimes give ONNX Runtime the same bytes, so that only the printed digits differ. Another OpenCV makes
# another crop: one grey level in 1000 values moved keypoints by up to 0.07 px of it.
PIXELS = 1e-3 if int(cv2.__version__.split(".")[0]) >= 5 else 1.0
SCORE = 1e-5 if PIXELS < 1 else 0.01


@pytest.fixture(scope="module")
def python(demo_bundle: Path) -> PoseEstimator:
    return PoseEstimator(demo_bundle, backend="onnxruntime", threads=1)


def photographs() -> list[Image]:
    data = pytest.importorskip("skimage.data", reason="needs scikit-image's photographs")
    return [np.ascontiguousarray(getattr(data, name)()) for name in ("astronaut", "chelsea", "coffee")]


def text(values: Any) -> str:  # noqa: ANN401  # ArrayLike
    return ",".join(repr(float(value)) for value in np.ravel(values))


def fmmp_locate(built: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [built / "examples" / "fmmp_locate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment())


def assert_same(
    result: subprocess.CompletedProcess[str],
    python: PoseEstimator,
    frame: Image,
    state: SupportState,
    box: list[float] | None,
) -> None:
    assert result.returncode == 0, result.stderr
    found, pose = json.loads(result.stdout), python.locate(frame, state, box)
    np.testing.assert_allclose(found["keypoints"], pose.keypoints, rtol=0, atol=PIXELS)
    np.testing.assert_allclose(found["score"], pose.score, rtol=0, atol=SCORE)
    assert found["links"] == pose.links.tolist()
    assert found["known"] == pose.known.tolist()


def test_keypoints_are_those_of_python(
    built: Path, demo_bundle: Path, python: PoseEstimator, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for number, picture in enumerate(photographs()):
        height, width, _ = picture.shape
        points = rng.uniform(0.2, 0.8, (9, 2)) * [width, height]
        frame = np.ascontiguousarray(picture[:, ::-1])
        box = [width * rng.uniform(0, 0.3), height * rng.uniform(0, 0.3), width * 0.61, height * 0.57]
        write_image(tmp_path / "support.ppm", picture)
        write_image(tmp_path / "frame.ppm", frame)
        state = python.remember([Support(picture, points, visible=np.arange(9) != number)])
        support = ("--support", tmp_path / "support.ppm", "--keypoints", text(points))
        flags = ("--visible", text(np.arange(9) != number), "--save-state", tmp_path / "cpp.safetensors")
        look = ("--frame", tmp_path / "frame.ppm", "--box", text(box), "--threads", "1")
        result = fmmp_locate(built, demo_bundle, *support, *flags, *look)
        assert_same(result, python, frame, state, box)
        assert_same(result, python, frame, python.load_state(tmp_path / "cpp.safetensors"), box)


def test_from_a_state_of_python(
    built: Path, demo_bundle: Path, python: PoseEstimator, tmp_path: Path
) -> None:
    picture = photographs()[0]
    state = python.remember([Support(picture, [[200, 150], [260, 150], [230, 200]], [[0, 1], [1, 2]])])
    state.save(tmp_path / "state.safetensors")
    write_image(tmp_path / "frame.ppm", picture)
    arguments = (
        "--state",
        tmp_path / "state.safetensors",
        "--frame",
        tmp_path / "frame.ppm",
        "--threads",
        "1",
    )
    assert_same(fmmp_locate(built, demo_bundle, *arguments), python, picture, state, None)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "needs a bundle, and either --state or --support"),
        (("nowhere", "--state"), 2, "--state takes a value"),
        (("nowhere", "--speed", "1"), 2, "unknown option --speed"),
        (("nowhere", "--state", "x", "--box", "1,2,x"), 2, "--box takes numbers with commas between them"),
        (("nowhere", "--state", "x"), 1, "fmmp_locate: no bundle at nowhere"),
    ],
)
def test_faults_of_the_command_line(built: Path, arguments: tuple[str, ...], code: int, says: str) -> None:
    result = fmmp_locate(built, *arguments)
    assert result.returncode == code
    assert says in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"P3 1 1 255 1 1 1", "must be a binary PPM file"),
        (b"P6 2 2 65535 ", "must be a binary PPM file"),
        (b"P6 99999 99999 255 ", "must be a binary PPM file"),
        (b"P6 2 2 255 12345", "is cut off"),
    ],
)
def test_faults_of_a_frame_file(
    built: Path, demo_bundle: Path, python: PoseEstimator, tmp_path: Path, data: bytes, says: str
) -> None:
    picture = np.zeros((40, 50, 3), np.uint8)
    python.remember([Support(picture, [[10, 10]])]).save(tmp_path / "state")
    (tmp_path / "frame.ppm").write_bytes(data)
    result = fmmp_locate(built, demo_bundle, "--state", tmp_path / "state", "--frame", tmp_path / "frame.ppm")
    assert result.returncode == 1
    assert says in result.stderr
