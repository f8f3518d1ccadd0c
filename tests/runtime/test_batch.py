# SPDX-License-Identifier: Apache-2.0
"""Lists of frames, states and boxes give what one by one gives, in as few runs as there are graphs for."""

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from fmmp_runtime import Pose, PoseEstimator, Support, SupportState
from fmmp_runtime.backends.states import StateCache
from fmmp_runtime.batch import are_boxes, split
from fmmp_runtime.media.image import ImageError
from fmmp_runtime.pose import BoxError
from tests.fakes.bundle import write_bundle

SOAK = Path(__file__).parents[2] / "runtime" / "benchmarks" / "soak.py"
POINTS = np.array([[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]])
RNG = np.random.default_rng(0)
FRAMES = [RNG.integers(0, 256, (90 + 7 * n, 140 - 5 * n, 3), dtype=np.uint8) for n in range(7)]
BOXES = [[20.0 - n, 10.0 + n, 91.0, 71.0 - 3 * n] for n in range(7)]


@pytest.fixture(scope="module")
def batch_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "batches", batches=(2, 4))


@pytest.fixture(scope="module")
def estimator(batch_bundle: Path) -> PoseEstimator:
    return PoseEstimator(batch_bundle, threads=1)


def remembered(estimator: PoseEstimator, count: int) -> list[SupportState]:
    """Categories with 4, 3, ... keypoints in other places."""
    return [
        estimator.remember([Support(FRAMES[0], POINTS[: 4 - n] + 3 * n, [[0, 1]], box=BOXES[0])])
        for n in range(count)
    ]


def assert_same(found: Sequence[Pose], expected: Sequence[Pose]) -> None:
    """Bit by bit: the fake network's arithmetic has the same order in all its graphs."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for field in ("keypoints", "score", "links", "known", "box"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)


@pytest.fixture
def runs(estimator: PoseEstimator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the graphs that are run from now on."""
    names: list[str] = []
    run = estimator.backend.run

    def spy(graph: str, inputs: Any) -> dict[str, NDArray[Any]]:  # noqa: ANN401  # as the protocol says
        names.append(graph)
        return run(graph, inputs)

    monkeypatch.setattr(estimator.backend, "run", spy)
    return names


def test_everything_in_lists(estimator: PoseEstimator, runs: list[str]) -> None:
    states = [*remembered(estimator, 3), *remembered(estimator, 3), *remembered(estimator, 1)]
    expected = [estimator.locate(f, s, b) for f, s, b in zip(FRAMES, states, BOXES, strict=True)]
    runs.clear()
    assert_same(estimator.locate(FRAMES, states, BOXES), expected)
    assert runs == ["query_batch4", "query_batch2", "query"]


def test_many_frames_of_one_category(estimator: PoseEstimator, runs: list[str]) -> None:
    (state,) = remembered(estimator, 1)
    expected = [estimator.locate(frame, state) for frame in FRAMES[:4]]
    runs.clear()
    assert_same(estimator.locate(FRAMES[:4], state), expected)
    assert_same(estimator.locate(tuple(FRAMES[:4]), state, [None] * 4), expected)
    assert runs == ["query_batch4"] * 2


def test_one_frame_with_many_boxes(estimator: PoseEstimator) -> None:
    (state,) = remembered(estimator, 1)
    expected = [estimator.locate(FRAMES[0], state, box) for box in BOXES[:3]]
    assert_same(estimator.locate(FRAMES[0], state, BOXES[:3]), expected)
    assert_same(estimator.locate([FRAMES[0]] * 3, state, np.array(BOXES[:3])), expected)
    assert estimator.locate(FRAMES[0], state, []) == []
    empty: Any = np.zeros((0, 4))  # what a detector says that finds nothing
    assert estimator.locate(FRAMES[0], state, empty) == []


def test_one_frame_with_many_categories(estimator: PoseEstimator) -> None:
    states = remembered(estimator, 3)
    poses = estimator.locate(FRAMES[0], states, BOXES[0])
    assert [len(pose.keypoints) for pose in poses] == [4, 3, 2]
    assert_same(poses, [estimator.locate(FRAMES[0], state, BOXES[0]) for state in states])


def test_an_array_of_frames(estimator: PoseEstimator) -> None:
    (state,) = remembered(estimator, 1)
    frames = np.stack([FRAMES[0], FRAMES[0][::-1]])
    assert_same(estimator.locate(list(frames), state), [estimator.locate(frame, state) for frame in frames])
    many: Any = frames
    assert_same(estimator.locate(many, state), [estimator.locate(frame, state) for frame in frames])


def test_a_list_of_one_is_a_list(estimator: PoseEstimator) -> None:
    (state,) = remembered(estimator, 1)
    assert_same(estimator.locate([FRAMES[0]], state), [estimator.locate(FRAMES[0], state)])


def test_bundle_without_batch_graphs(bundle: Path) -> None:
    estimator = PoseEstimator(bundle, threads=1)
    (state,) = remembered(estimator, 1)
    assert_same(estimator.locate(FRAMES, state), [estimator.locate(frame, state) for frame in FRAMES])


@pytest.mark.parametrize(
    ("box", "many"),
    [
        (None, False),
        ([1, 2, 3, 4], False),
        ((1.0, 2, 3), False),
        (np.zeros(4), False),
        ([np.float32(1), np.array(2), 3, 4], False),
        ([[1, 2, 3, 4]], True),
        ([None, [1, 2, 3, 4]], True),
        ([None], True),
        ([], True),
        (np.zeros((0, 4)), True),
        (np.zeros((3, 4)), True),
        ([np.zeros(4)], True),
    ],
)
def test_which_boxes_are_many(box: object, many: bool) -> None:
    assert are_boxes(box) == many


@pytest.mark.parametrize(
    ("count", "sizes", "expected"),
    [
        (0, [1, 8], []),
        (3, [1], [1, 1, 1]),
        (8, [8, 1], [8]),
        (21, [1, 8, 4], [8, 8, 4, 1]),
    ],
)
def test_pieces(count: int, sizes: list[int], expected: list[int]) -> None:
    pieces = list(split(range(count), sizes))
    assert [len(piece) for piece in pieces] == expected
    assert [item for piece in pieces for item in piece] == list(range(count))


def test_fault_of_an_item_is_named_and_nothing_is_run(estimator: PoseEstimator, runs: list[str]) -> None:
    (state,) = remembered(estimator, 1)
    wrong_type: Any = FRAMES[0] / 2
    runs.clear()
    with pytest.raises(
        ImageError, match=r"item 2: frame must be RGB uint8 \(H, W, 3\), got uint8 \(90, 140\)"
    ):
        estimator.locate([FRAMES[0], FRAMES[1], FRAMES[0][..., 0]], state)
    with pytest.raises(ImageError, match=r"item 1: frame must be RGB uint8 .*, got float64"):
        estimator.locate([FRAMES[0], wrong_type], state)
    with pytest.raises(BoxError, match=r"item 1: box .* lies outside"):
        estimator.locate(FRAMES[0], state, [BOXES[0], [900, 900, 5, 5]])
    with pytest.raises(ValueError, match="same length, got 2 frames, 3 boxes"):
        estimator.locate(FRAMES[:2], state, BOXES[:3])
    strange: Any = POINTS
    with pytest.raises(ValueError, match="state must be a SupportState, from remember"):
        estimator.locate(FRAMES[0], strange)
    assert runs == []
    estimator.locate(FRAMES[0], state)  # and it works on


def test_state_of_another_bundle_in_a_list(estimator: PoseEstimator, bundle: Path) -> None:
    states = [*remembered(estimator, 1), *remembered(PoseEstimator(bundle, threads=1), 1)]
    with pytest.raises(ValueError, match="item 1: this support was remembered with"):
        estimator.locate(FRAMES[0], states)


def test_a_bundle_in_another_place_is_the_same(estimator: PoseEstimator, batch_bundle: Path) -> None:
    """Engines may be added to a bundle, and it may be moved: its states stay good."""
    (state,) = remembered(estimator, 1)
    model = replace(state.bundle.model, name="renamed")
    moved = replace(state, bundle=replace(state.bundle, path=batch_bundle / "elsewhere", model=model))
    assert_same([estimator.locate(FRAMES[0], moved)], [estimator.locate(FRAMES[0], state)])


def test_threads_answer_as_one(batch_bundle: Path) -> None:
    """The sessions are made while eight threads wait for them; all answers are those of one thread."""
    serial = PoseEstimator(batch_bundle, threads=1)
    states = remembered(serial, 3)
    jobs = [(FRAMES[n % 7], states[n % 3], BOXES[n % 7]) for n in range(60)]
    expected = [serial.locate(*job) for job in jobs]
    lists = [serial.locate(FRAMES, states[n % 3], BOXES) for n in range(9)]
    estimator = PoseEstimator(batch_bundle, threads=1)
    gate = threading.Barrier(8)

    def work(number: int) -> list[Any]:
        gate.wait()
        mine = [estimator.locate(*jobs[n]) for n in range(number, 60, 8)]
        return [*mine, estimator.locate(FRAMES, states[number % 3], BOXES)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(8)))
    for number, answer in enumerate(answers):
        assert_same(answer[:-1], expected[number::8])
        assert_same(answer[-1], lists[number])


def test_a_session_is_made_once(batch_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    session = onnxruntime.InferenceSession

    def count(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # as its constructor
        made.append(arguments[0])
        time.sleep(0.05)  # all others ask meanwhile
        return session(*arguments, **options)

    monkeypatch.setattr("onnxruntime.InferenceSession", count)
    estimator = PoseEstimator(batch_bundle, threads=1)
    gate = threading.Barrier(6)

    def work(_: int) -> None:
        gate.wait()
        remembered(estimator, 1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert len(made) == 2  # query and support


def test_joined_states_are_kept_while_these_live(estimator: PoseEstimator) -> None:
    made: list[Any] = []
    released: list[int] = []

    def make(states: tuple[SupportState, ...]) -> int:
        made.append(states)
        return len(made)

    cache = StateCache(make, 2, released.append)
    a, b, c = remembered(estimator, 3)
    assert [cache.get((a, b)), cache.get((b, a)), cache.get((a, b))] == [1, 2, 1]
    assert cache.get((c, c)) == 3  # the longest unused, (b, a), goes
    assert released == [2]
    made.clear()
    del a
    gc.collect()
    assert cache.get((c, c)) == 3
    assert released == [2, 1]  # (a, b), since a is dead


def test_a_dead_state_is_never_taken_for_a_new_one(estimator: PoseEstimator) -> None:
    """A new state often gets the address of the one before."""
    cache: StateCache[int] = StateCache(lambda states: len(states[0].known), 8)
    for _ in range(20):
        for state in remembered(estimator, 3):
            assert cache.get((state,)) == len(state.known)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_few_hundred_frames_leave_memory_flat(batch_bundle: Path) -> None:
    """400 frames of up to 2.8 MB: one that stays behind in a hundred would be 5 MB in the second half."""
    options = ["--frames", "400", "--batch", "4", "--threads", "1", "--growth", "2"]
    done = subprocess.run(
        [sys.executable, SOAK, batch_bundle, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "400 frames, 4 a call: 0 calls with another answer" in done.stdout
