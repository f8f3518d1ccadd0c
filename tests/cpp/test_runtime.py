# SPDX-License-Identifier: Apache-2.0
"""The C++ runtime beside the Python one, through fmmp.h: same states, same keypoints, clear errors."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fmmp_runtime import PoseEstimator, Support
from fmmp_runtime.files import sha256
from fmmp_runtime.pose import ShownBy, Structure
from tests.cpp.c_api import Api, CImage, Estimator, FmmpError, State, image, rows
from tests.fakes.bundle import copy_bundle, write_bundle

POINTS = np.array([[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]])
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (90, 140, 3), dtype=np.uint8)
LINKS = [[0, 1], [1, 2], [2, 3]]
PIXELS = 1e-9  # the same float64 operations in another order
BRIGHTNESS = 0 if int(cv2.__version__.split(".")[0]) >= 5 else 1 / 255  # an older OpenCV crops otherwise


@pytest.fixture(scope="module")
def estimator(api: Api, bundle: Path) -> Estimator:
    return api.open(bundle)


@pytest.fixture(scope="module")
def state(estimator: Estimator) -> State:
    return estimator.remember([Support(IMAGE, POINTS, LINKS)])


@pytest.fixture(scope="module")
def python(bundle: Path) -> PoseEstimator:
    return PoseEstimator(bundle, backend="onnxruntime", threads=1)


def same_state(found: Path, expected: Path, python: PoseEstimator) -> None:
    one, other = python.load_state(found), python.load_state(expected)
    for name, tensor in other.tensors.items():
        if name == "state_support" and BRIGHTNESS:
            continue  # another OpenCV
        np.testing.assert_array_equal(one.tensors[name], tensor, err_msg=name)
    assert one.links.tolist() == other.links.tolist()
    assert one.known.tolist() == other.known.tolist()
    assert (one.shots, one.notes) == (other.shots, other.notes)


SUPPORTS = {
    "links": [Support(IMAGE, POINTS, LINKS)],
    "a tree, hidden ones": [Support(IMAGE, POINTS, visible=[True, False, True, True])],
    "a hidden one anywhere": [
        Support(IMAGE, [*POINTS[:3], [np.nan, 1e300]], LINKS, visible=[True, True, True, False])
    ],
    "a box that leaves one outside": [Support(IMAGE, POINTS, LINKS, box=[25.0, 10.5, 68.0, 55.0])],
    "no links": [Support(IMAGE, POINTS, np.zeros((0, 2), np.int64))],
    "a box": [Support(IMAGE, POINTS, LINKS, box=[20.5, 10.25, 91, 71])],
    "one keypoint": [Support(IMAGE, POINTS[:1])],
    "a full house": [Support(IMAGE, RNG.uniform(0, 90, (12, 2)))],
}


@pytest.mark.parametrize("structure", ["adjacency", None])
def test_other_estimators_read_the_same_as_in_python(
    api: Api, tmp_path: Path, structure: Structure | None
) -> None:
    """Padding with hidden keypoints, another form of the links, and supports that must agree."""
    reads: dict[str, Any] = {"structure": structure, "padding": "zero", "fixed_keypoints": True}
    supports = [
        Support(IMAGE, POINTS, LINKS, visible=[True, True, False, True]),
        Support(IMAGE[:, ::-1].copy(), POINTS + 3, LINKS),
    ]
    known: dict[ShownBy, list[bool]] = {"any": [True] * 4, "every": [True, True, False, True]}
    for shown_by, expected_known in known.items():
        bundle = write_bundle(tmp_path / shown_by, shots=4, shown_by=shown_by, **reads)
        estimator, python = api.open(bundle), PoseEstimator(bundle, backend="onnxruntime", threads=1)
        state, expected = estimator.remember(supports), python.remember(supports)
        assert expected.known.tolist() == expected_known
        state.save(tmp_path / "cpp")
        expected.save(tmp_path / "python")
        same_state(tmp_path / "cpp", tmp_path / "python", python)
        for wrong in ([*supports, supports[0]], [Support(IMAGE, RNG.uniform(5, 85, (13, 2)))]):
            if shown_by == "any" and len(wrong) > 1:
                continue
            with pytest.raises(ValueError) as said:  # noqa: PT011  # the other runtime's words
                python.remember(wrong)
            with pytest.raises(FmmpError) as found:
                estimator.remember(wrong)
            assert str(said.value).removeprefix("support 0: ") in str(found.value)


@pytest.mark.parametrize("supports", SUPPORTS.values(), ids=SUPPORTS)
def test_same_as_python(
    estimator: Estimator, python: PoseEstimator, supports: list[Support], tmp_path: Path
) -> None:
    """The fake network's state holds what went into the support graph: crop, points, flags, index."""
    state, expected = estimator.remember(supports), python.remember(supports)
    state.save(tmp_path / "cpp")
    expected.save(tmp_path / "python")
    same_state(tmp_path / "cpp", tmp_path / "python", python)
    assert state.links() == expected.links.tolist()
    for box in (None, [20.0, 10.0, 91.0, 71.0], [-10.0, -20.5, 60.25, 300.0]):
        found, pose = estimator.locate(IMAGE, state, box), python.locate(IMAGE, expected, box)
        np.testing.assert_allclose(found.keypoints, pose.keypoints, rtol=0, atol=PIXELS)
        np.testing.assert_allclose(found.score, pose.score, rtol=0, atol=BRIGHTNESS)
        assert found.known == pose.known.tolist()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_supports_than_shots(api: Api, three_shot_bundle: Path, tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    supports = [
        Support(
            IMAGE[:, : 140 - 9 * n], POINTS + rng.uniform(-3, 3, POINTS.shape), LINKS, rng.random(4) < 0.7 + n
        )
        for n in range(count)
    ]
    supports[0] = Support(IMAGE, POINTS, None, [True, False, True, True])
    python = PoseEstimator(three_shot_bundle, backend="onnxruntime", threads=1)
    estimator = api.open(three_shot_bundle)
    estimator.remember(supports).save(tmp_path / "cpp")
    python.remember(supports).save(tmp_path / "python")
    same_state(tmp_path / "cpp", tmp_path / "python", python)


def test_a_state_of_python_and_back(
    api: Api, bundle: Path, python: PoseEstimator, state: State, tmp_path: Path
) -> None:
    """On a device that never sees the support image: only the query graph and the file."""
    python.remember([Support(IMAGE, POINTS, LINKS)]).save(tmp_path / "python")
    device = api.open(bundle)
    loaded = device.load_state(tmp_path / "python")
    state.save(tmp_path / "cpp")
    pose = python.locate(IMAGE, python.load_state(tmp_path / "cpp"))
    np.testing.assert_allclose(device.locate(IMAGE, loaded).keypoints, pose.keypoints, rtol=0, atol=PIXELS)


def test_frames_of_opencv(estimator: Estimator, state: State) -> None:
    """BGR, and rows with a gap between them."""
    expected = estimator.locate(IMAGE, state)
    turned = rows(IMAGE[..., ::-1], 5)
    for frame in (image(turned, channels=1), rows(IMAGE, 11)):
        found = estimator.locate(frame, state)
        np.testing.assert_array_equal(found.keypoints, expected.keypoints)
        np.testing.assert_array_equal(found.score, expected.score)


def test_threads_share_an_estimator(estimator: Estimator, state: State) -> None:
    frames = [np.full((60 + n, 80, 3), 9 * n, np.uint8) for n in range(16)]
    alone = [estimator.locate(frame, state) for frame in frames]
    start = threading.Barrier(4)

    def look(_: int) -> list[Any]:
        start.wait()
        return [estimator.locate(frame, state) for frame in frames]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(look, range(4)):
            for one, expected in zip(found, alone, strict=True):
                np.testing.assert_array_equal(one.keypoints, expected.keypoints)
                np.testing.assert_array_equal(one.score, expected.score)


def test_a_state_may_outlive_its_estimator(api: Api, bundle: Path, tmp_path: Path) -> None:
    estimator = api.open(bundle)
    state = estimator.remember([Support(IMAGE, POINTS, LINKS)])
    del estimator
    state.save(tmp_path / "state")
    api.open(bundle).locate(IMAGE, state)


def test_says_what_runs(api: Api, estimator: Estimator, bundle: Path, tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", api.library.fmmp_version().decode())
    assert re.match(r"ONNX Runtime 1\.\d+\.\d+ on the CPU", estimator.description)
    assert f"the compiled operator {api.operators}" in estimator.description
    without = api.open(bundle, operator_folder=str(tmp_path))
    assert "the graph's own definition, which is slower" in without.description
    standard = write_bundle(tmp_path / "standard", operator=False)
    (tmp_path / "libfmmp_onnxruntime.so").write_bytes(b"no library")  # nothing loads it
    assert "by standard operators, as it" in api.open(standard, operator_folder=str(tmp_path)).description


def wrong(picture: np.ndarray, **fields: Any) -> CImage:  # noqa: ANN401  # of fmmp_image
    frame = image(picture)
    for name, value in fields.items():
        setattr(frame, name, value)
    return frame


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"width": 0}, "frame is 0 x 90 pixels: there is nothing to locate in it"),
        ({"width": -5}, "frame is -5 x 90 pixels"),
        ({"width": 1, "height": 1}, "frame is 1 x 1 pixels"),
        ({"width": 40000, "row_bytes": 120000}, "the longest side that works is 32766"),
        ({"row_bytes": 419}, "a row takes 420 bytes at 3 bytes a pixel, got 419"),
        ({"pixels": None}, "frame has no pixels: its pointer is null"),
        ({"channels": 7}, "channels of an image must be FMMP_RGB or FMMP_BGR, got 7"),
    ],
)
def test_fault_of_a_frame(estimator: Estimator, state: State, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(FmmpError, match=says) as caught:
        estimator.locate(wrong(IMAGE, **fields), state)
    assert caught.value.status == "INVALID_ARGUMENT"
    estimator.locate(IMAGE, state)  # and it works on


def test_fault_of_a_box_or_of_the_room(estimator: Estimator, state: State) -> None:
    with pytest.raises(FmmpError, match=r"box \[500.0, 5.0, 9.0, 9.0\] .* lies outside the 140 x 90 image"):
        estimator.locate(IMAGE, state, [500, 5, 9, 9])
    with pytest.raises(FmmpError, match="must be four finite numbers"):
        estimator.locate(IMAGE, state, [np.nan, 5, 9, 9])
    with pytest.raises(FmmpError, match="capacity must be at least 4, the keypoints of this category, got 3"):
        estimator.locate(IMAGE, state, capacity=3)
    estimator.locate(IMAGE, state)


@pytest.mark.parametrize(
    ("supports", "says"),
    [
        ([], "this bundle takes 1 to 1 supports, got 0: fmmp-export --shots N makes one for N"),
        ([Support(IMAGE, POINTS)] * 2, "this bundle takes 1 to 1 supports, got 2"),
        ([Support(IMAGE, POINTS + 100)], r"support 0: keypoint 0 at .* lies outside the 140 x 90 image"),
        ([Support(IMAGE, POINTS, [[0, 4]])], r"link 0, \[0, 4\], is out of range"),
        ([Support(IMAGE, POINTS, visible=[False] * 4)], "support 0: none of 4 keypoints is visible"),
        ([Support(IMAGE, [[np.inf, 1]])], "support 0: keypoint 0 is not finite"),
        ([Support(IMAGE, np.zeros((0, 2)))], "support 0: keypoints must be a list of x, y pairs, got none"),
        ([Support(IMAGE, POINTS, box=[300, 0, 5, 5])], "support 0: box .* lies outside"),
        ([Support(IMAGE, POINTS, box=[0, 0, 5, 5])], "leaves 4 of 4 visible keypoints outside: is it x, y"),
        ([Support(IMAGE, np.ones((13, 2)))], "fmmp-export --keypoints 13 makes one for them"),
    ],
)
def test_fault_of_a_support(estimator: Estimator, state: State, supports: list[Support], says: str) -> None:
    with pytest.raises(FmmpError, match=says) as caught:
        estimator.remember(supports)
    assert caught.value.status == "INVALID_ARGUMENT"
    estimator.locate(IMAGE, state)


def test_supports_that_do_not_go_together(api: Api, three_shot_bundle: Path) -> None:
    estimator = api.open(three_shot_bundle)
    with pytest.raises(FmmpError, match="all supports must have the same keypoints, got 4 and 3"):
        estimator.remember([Support(IMAGE, POINTS), Support(IMAGE, POINTS[:3])])
    with pytest.raises(FmmpError, match="the supports have different links: a category has one skeleton"):
        estimator.remember([Support(IMAGE, POINTS, LINKS), Support(IMAGE, POINTS, LINKS[:2])])


def test_a_state_of_another_bundle(
    api: Api, estimator: Estimator, state: State, three_shot_bundle: Path, tmp_path: Path
) -> None:
    other = api.open(three_shot_bundle)
    with pytest.raises(
        FmmpError, match=r"this support was remembered with .*one-shot, not with .*three-shot"
    ) as e:
        other.locate(IMAGE, state)
    assert e.value.status == "STATE_ERROR"
    state.save(tmp_path / "state")
    with pytest.raises(FmmpError, match=r"was made with another bundle .* than .*three-shot"):
        other.load_state(tmp_path / "state")
    with pytest.raises(FmmpError, match=r"cannot read .*nowhere: No such file") as e:
        estimator.load_state(tmp_path / "nowhere")
    assert e.value.status == "FILE_ERROR"
    with pytest.raises(FmmpError, match=r"cannot write .*nowhere/state: No such file"):
        state.save(tmp_path / "nowhere" / "state")
    (tmp_path / "empty").touch()
    with pytest.raises(FmmpError, match=r"is empty \(0 bytes\)"):
        estimator.load_state(tmp_path / "empty")
    estimator.locate(IMAGE, state)


@pytest.mark.parametrize("name", ["query.onnx", "support.onnx", "weights.bin"])
def test_a_changed_or_missing_file(api: Api, bundle: Path, tmp_path: Path, name: str) -> None:
    copy = copy_bundle(bundle, tmp_path / "copy")
    file = copy / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(FmmpError, match=f"{name} has changed since its export") as caught:
        api.open(copy)
    assert caught.value.status == "BUNDLE_ERROR"
    file.unlink()
    with pytest.raises(FmmpError, match=f"{name} is missing: copy the whole folder, or export it again"):
        api.open(copy)


@pytest.mark.parametrize("name", ["query.onnx", "support.onnx", "weights.bin", "model.json"])
def test_what_was_checked_is_what_runs(
    api: Api, bundle: Path, estimator: Estimator, state: State, tmp_path: Path, name: str
) -> None:
    """A file is overwritten in place under a running estimator: neither answers nor states change."""
    copy = copy_bundle(bundle, tmp_path / "copy")
    running = api.open(copy)
    with (copy / name).open("r+b") as file:
        file.write(bytes(len((bundle / name).read_bytes()) // 4))
        file.truncate()  # what was mapped beyond is no memory any more
    own = running.remember([Support(IMAGE, POINTS, LINKS)])
    own.save(tmp_path / "own")
    state.save(tmp_path / "expected")
    assert (tmp_path / "own").read_bytes() == (tmp_path / "expected").read_bytes()
    found, expected = running.locate(IMAGE, own), estimator.locate(IMAGE, state)
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    np.testing.assert_array_equal(found.score, expected.score)


def test_a_file_that_is_not_used_may_lack(api: Api, bundle: Path, tmp_path: Path) -> None:
    copy = copy_bundle(bundle, tmp_path / "copy")
    (copy / "pair.onnx").unlink()
    api.open(copy)


def test_bundles_that_do_not_open(api: Api, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(FmmpError, match="no bundle at") as caught:
        api.open(tmp_path / "nowhere")
    assert caught.value.status == "FILE_ERROR"
    copy = copy_bundle(bundle, tmp_path / "copy")
    content = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps(content | {"format": 3}))
    with pytest.raises(
        FmmpError, match="has bundle format 3, this fmmp reads 2: it was made by a newer fmmp"
    ):
        api.open(copy)


def test_a_network_that_is_padded_at_random(api: Api, bundle: Path, tmp_path: Path) -> None:
    copy = copy_bundle(bundle, tmp_path / "copy")
    model = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps(model | {"padding": "mixup"}))
    with pytest.raises(
        FmmpError, match="padding is 'mixup', which this runtime can't draw: run the bundle from Python"
    ):
        api.open(copy)


def rewrite_hash(bundle: Path, name: str) -> None:
    """Make the model.json of a bundle agree with a file that was changed."""
    content = json.loads((bundle / "model.json").read_text())
    content["files"][name] = sha256(bundle / name)
    (bundle / "model.json").write_text(json.dumps(content))


def test_a_graph_that_onnx_runtime_refuses(api: Api, bundle: Path, tmp_path: Path) -> None:
    copy = copy_bundle(bundle, tmp_path / "copy")
    (copy / "query.onnx").write_bytes(b"no graph")
    rewrite_hash(copy, "query.onnx")
    with pytest.raises(FmmpError, match=r"ONNX Runtime 1\.\S+ cannot load .*query\.onnx: ") as caught:
        api.open(copy)
    assert caught.value.status == "BACKEND_ERROR"


def test_weights_that_nobody_checked_are_not_read(
    api: Api, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph of a stranger, hash and all, that takes its weights from another file."""
    copy = copy_bundle(bundle, tmp_path / "copy")
    content = (copy / "query.onnx").read_bytes()
    assert b"weights.bin" in content
    (copy / "query.onnx").write_bytes(content.replace(b"weights.bin", b"private.bin"))
    rewrite_hash(copy, "query.onnx")
    for folder in (copy, tmp_path):
        (folder / "private.bin").write_bytes((copy / "weights.bin").read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FmmpError, match=r"cannot load .*query\.onnx: .*private\.bin"):
        api.open(copy)


def test_numbers_that_are_not_finite(api: Api, tmp_path: Path) -> None:
    estimator = api.open(write_bundle(tmp_path / "nan", nan=True))
    state = estimator.remember([Support(IMAGE, POINTS)])
    with pytest.raises(FmmpError, match=r"gave numbers that are not finite \(fp32\)"):
        estimator.locate(IMAGE, state)


def test_options(api: Api, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(FmmpError, match="backend must be one of auto, onnxruntime, tensorrt, got 'cuda'"):
        api.open(bundle, backend="cuda")
    with pytest.raises(FmmpError, match="threads must be at least 0, got -1"):
        api.open(bundle, threads=-1)
    with pytest.raises(FmmpError, match=r"ONNX Runtime is not here: install it, or say where .*nothing.so"):
        api.open(bundle, onnxruntime_library=str(tmp_path / "nothing.so"))
    with pytest.raises(FmmpError, match="has no OrtGetApiBase: it is another library, or too old"):
        api.open(bundle, onnxruntime_library="libc.so.6")
    (tmp_path / "libfmmp_onnxruntime.so").write_bytes(b"no library")
    with pytest.raises(FmmpError, match=r"cannot load .*query.onnx: .*libfmmp_onnxruntime.so"):
        api.open(bundle, operator_folder=str(tmp_path))


def test_null_pointers_are_refused(api: Api, estimator: Estimator, state: State) -> None:
    calls: list[tuple[Any, ...]] = [
        ("fmmp_open", None, None, None),
        ("fmmp_open", b"x", None, None),
        ("fmmp_remember", None, None, 1, None),
        ("fmmp_remember", estimator.handle, None, 1, None),
        ("fmmp_load_state", estimator.handle, None, None),
        ("fmmp_save_state", None, b"x"),
        ("fmmp_locate", estimator.handle, None, state.handle, None, None, 4),
    ]
    for call in calls:
        with pytest.raises(FmmpError, match="must not be null"):
            api.call(*call)
    api.library.fmmp_close(None)
    api.library.fmmp_free_state(None)
    assert api.library.fmmp_num_keypoints(None) == 0
    assert api.library.fmmp_description(None) == b""
