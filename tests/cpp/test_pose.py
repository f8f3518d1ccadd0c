# SPDX-License-Identifier: Apache-2.0
"""The pose preparation in C++ against the golden values that the Python one is held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fmmp_runtime.pose import (
    crop_matrix,
    invert_matrix,
    minimum_spanning_tree,
    pad_keypoints,
    reference_index,
    transform_points,
)
from tests.cpp.build import Probe
from tests.golden import load_json

CROPS, PADDINGS = load_json("geometry")["crop"], load_json("padding")
RNG = np.random.default_rng(0)
# OpenCV 5 takes places in float32, as the crop in C++; before, it took them in other ways.
OPENCV = int(cv2.__version__.split(".")[0])


@pytest.mark.parametrize("case", CROPS, ids=range(len(CROPS)))
def test_golden_crop(probe: Probe, case: dict[str, Any]) -> None:
    width, height = case["image_wh"]
    points = np.array(case["keypoints_px"])
    found = probe.ask(
        "crop",
        box=case["bbox_xywh"],
        image=[height, width],
        size=256,
        padding=1.25,
        rotation=case["rotation_deg"],
        points=points.tolist(),
    )
    # tolerances as in tests/runtime/pose/test_crop.py
    np.testing.assert_allclose(found["box"], case["clean_bbox"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found["matrix"], np.ravel(case["matrix"]), rtol=0, atol=2e-4)
    moved = np.reshape(found["moved"], (-1, 2))
    np.testing.assert_allclose(moved, case["keypoints_crop_px"], rtol=0, atol=5e-4)
    # The same float64 operations in another order: some roundings of 2^-53 at 1000 px.
    matrix = crop_matrix(found["box"], rotation_deg=case["rotation_deg"])
    np.testing.assert_allclose(found["matrix"], matrix.ravel(), rtol=0, atol=1e-11)
    np.testing.assert_allclose(moved, transform_points(points, matrix), rtol=0, atol=1e-11)
    np.testing.assert_allclose(np.reshape(found["back"], (-1, 2)), points, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "case", [c for c in PADDINGS if c["method"] == "uniform"], ids=lambda case: str(case["count"])
)
def test_golden_padding(probe: Probe, case: dict[str, Any]) -> None:
    given = {key: case[key] for key in ("keypoints", "links", "count")}
    found = probe.ask("pad", visible=[int(v) for v in case["visible"]], **given)
    keypoints = np.reshape(found["keypoints"], (-1, 2))
    np.testing.assert_allclose(
        keypoints, case["padded_keypoints"], rtol=0, atol=1.2e-7
    )  # as in Python's test
    assert found["visible"] == [int(v) for v in case["padded_visible"]]
    assert found["links"] == case["padded_links"]


@pytest.mark.parametrize("case", PADDINGS, ids=range(len(PADDINGS)))
@pytest.mark.parametrize("heads", [1, 8, 16])
def test_golden_reference_index(probe: Probe, case: dict[str, Any], heads: int) -> None:
    visible = [int(v) for v in case["padded_visible"]]
    found = probe.ask("index", visible=visible, links=case["padded_links"], heads=heads)
    assert found == np.ravel([row[:heads] for row in case["reference_index"]]).tolist()


@pytest.mark.parametrize("seed", range(30))
def test_same_as_python_on_random_skeletons(probe: Probe, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 15))
    keypoints = rng.random((count, 2)).astype(np.float32).astype(np.float64)
    visible = rng.random(count) < 0.8
    links = rng.integers(count, size=(int(rng.integers(0, 12)), 2))
    total = count + int(rng.integers(0, 40))
    expected = pad_keypoints(keypoints, visible, links, total)
    shown, pairs = visible.astype(int).tolist(), links.tolist()
    found = probe.ask("pad", keypoints=keypoints.tolist(), visible=shown, links=pairs, count=total)
    np.testing.assert_array_equal(np.reshape(found["keypoints"], (-1, 2)), expected[0])
    assert found["visible"] == expected[1].astype(int).tolist()
    assert found["links"] == expected[2].tolist()
    index = probe.ask("index", visible=found["visible"], links=found["links"], heads=5)
    assert index == reference_index(expected[1], expected[2], 5).ravel().tolist()
    tree = probe.ask("tree", keypoints=keypoints.tolist(), visible=shown)
    assert tree == minimum_spanning_tree(keypoints, visible).tolist()


def crop(
    probe: Probe, folder: Path, frame: np.ndarray, inverse: np.ndarray, size: int, channels: str = "rgb"
) -> Any:  # noqa: ANN401
    frame.tofile(folder / "frame")
    question = {"file": str(folder / "frame"), "out": str(folder / "crop"), "channels": channels}
    probe.ask("warp", image=frame.shape[:2], inverse=inverse.ravel().tolist(), size=size, **question)
    return np.fromfile(folder / "crop", np.uint8).reshape(size, size, 3)


@pytest.mark.parametrize("size", [64, 224, 256])
@pytest.mark.parametrize("size_hw", [(480, 640), (37, 51), (2, 1), (1, 300), (719, 1283)])
def test_crop_is_that_of_opencv(probe: Probe, tmp_path: Path, size_hw: tuple[int, int], size: int) -> None:
    """Noise is the worst there is: neighbours differ by up to 255."""
    if OPENCV < 5:
        pytest.skip(f"OpenCV {cv2.__version__} crops otherwise than version 5, which the C++ crop follows")
    height, width = size_hw
    frame = RNG.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    for turn in (0.0, 33.0):
        box = [*(RNG.random(2) * [width, height] * 0.6 - 5), *(RNG.random(2) * [width, height] + 3)]
        matrix = crop_matrix(box, size, rotation_deg=turn)
        expected = cv2.warpAffine(frame, matrix, (size, size), flags=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(crop(probe, tmp_path, frame, invert_matrix(matrix), size), expected)
        turned = crop(probe, tmp_path, frame[..., ::-1].copy(), invert_matrix(matrix), size, "bgr")
        np.testing.assert_array_equal(turned, expected)


@pytest.mark.parametrize("fault", [1e300, -1e300])
def test_a_place_far_outside_is_black(probe: Probe, tmp_path: Path, fault: float) -> None:
    frame = np.full((20, 30, 3), 9, np.uint8)
    assert not crop(probe, tmp_path, frame, np.full((2, 3), fault), 64).any()


@pytest.mark.parametrize(
    ("box", "says"),
    [
        ([200, 10, 30, 30], "lies outside the 100 x 80 image"),
        ([10, 90, 30, 30], "lies outside the 100 x 80 image"),
        ([-40, 10, 30, 30], "lies outside the 100 x 80 image"),
        ([10, 10, -5, 30], "lies outside the 100 x 80 image"),
        ([10, 10, 1, 1], "covers one pixel of the 100 x 80 image"),
    ],
)
def test_fault_of_a_box(probe: Probe, box: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        probe.ask("box", box=box, image=[80, 100])


@pytest.mark.parametrize(
    ("keypoints", "visible", "says"),
    [
        ([], [], "got none"),
        ([[1, 1]] * 13, [1] * 13, "13 keypoints do not fit: this model takes 12"),
        ([[1, 1], [2, 2]], [0, 0], "none of 2 keypoints is visible"),
        (
            [[1, 1], [101, 2], [2, -3]],
            [1, 1, 1],
            r"keypoint 1 at \[101.0, 2.0\] lies outside .*\(2 of 3 do\)",
        ),
    ],
)
def test_fault_of_a_support(probe: Probe, keypoints: Any, visible: list[int], says: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=says):
        probe.ask("support", keypoints=keypoints, visible=visible, image=[80, 100], count=12)


def test_points_on_the_border_and_hidden_ones_outside(probe: Probe) -> None:
    question = {"keypoints": [[100, 80], [999, 0]], "visible": [1, 0]}
    assert probe.ask("support", image=[80, 100], count=12, **question)


@pytest.mark.parametrize(
    ("links", "says"),
    [
        ([[0, 4]], r"link 0, \[0, 4\], is out of range: keypoints are 0 to 3"),
        ([[0, 1], [-1, 2]], r"link 1, \[-1, 2\], is out of range"),
        ([[2, 2]], r"link 0, \[2, 2\], joins a keypoint to itself"),
        ([[0, 1], [1, 0]], r"link 1, \[1, 0\], is there twice"),
    ],
)
def test_fault_of_links(probe: Probe, links: Any, says: str) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=says):
        probe.ask("links", links=links, count=4)
