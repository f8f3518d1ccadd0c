# SPDX-License-Identifier: Apache-2.0
"""The TensorRT backend on a GPU of host memory, with a TensorRT whose engines are run by ONNX Runtime."""

import gc
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmmp_runtime import Pose, PoseEstimator, Support, SupportState, backends
from fmmp_runtime.backends import BackendError, gpu
from fmmp_runtime.backends.device import DeviceError, DeviceMemoryError
from fmmp_runtime.bundle.engines import MODULES, EngineError, EngineKey, EngineSpec
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.files import sha256
from tests.fakes.bundle import SIZE, copy_bundle, write_bundle
from tests.fakes.gpu import FakeDevice

FAKE = Path(__file__).parents[1] / "fakes" / "trt.py"
POINTS = np.array([[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]])
RNG = np.random.default_rng(0)
FRAMES = [RNG.integers(0, 256, (90 + 7 * n, 140 - 5 * n, 3), dtype=np.uint8) for n in range(7)]
BOXES = [[20.0 - n, 10.0 + n, 91.0, 71.0 - 3 * n] for n in range(7)]
BRIGHTNESS = 1 / 255  # a crop whose matrix was inverted twice may round another way here and there
PLUGIN = b"libfmmp_tensorrt"


@pytest.fixture(scope="module")
def plain_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "batches", batches=(2, 4))


@pytest.fixture(params=["tensorrt", "tensorrt-rtx"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One with an sm86 GPU, both products, PyCUDA and the operator library; its site-packages."""
    site, libraries = tmp_path / "site", tmp_path / "lib"
    site.mkdir()
    libraries.mkdir()
    (libraries / "libfmmp_tensorrt.so").write_bytes(PLUGIN)
    install(site, "tensorrt", "def init_libnvinfer_plugins(logger, name): nvidia_plugins.append(True)\n")
    install(site, "tensorrt_rtx", "__version__ = '1.7.1.116'\n")
    (site / "pycuda").mkdir()
    (site / "pycuda" / "__init__.py").touch()
    (site / "pycuda" / "driver.py").touch()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("FMMP_LIBRARY_DIR", str(libraries))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(gpu, "architecture", lambda: "sm86")
    monkeypatch.setattr("fmmp_runtime.backends.cuda.CudaDevice", FakeDevice)
    yield site
    for module in (*MODULES.values(), "pycuda"):
        sys.modules.pop(module, None)


def install(site: Path, module: str, product: str) -> None:
    (site / f"{module}.py").write_text(FAKE.read_text() + product)


@pytest.fixture
def bundle(plain_bundle: Path, tmp_path: Path, machine: Path, kind: str) -> Path:
    """With an engine of each graph for this machine."""
    folder = copy_bundle(plain_bundle, tmp_path / "bundle")
    return add_engines(folder, kind)


def add_engines(folder: Path, kind: str, *, inside: bool = True, **changes: Any) -> Path:  # noqa: ANN401
    """Write engines whose keys and plans have these changes."""
    opened = Bundle.open(folder)
    engines = list(opened.model.engines)
    (folder / "engines").mkdir(exist_ok=True)
    for graph in opened.model.graphs:
        library = folder.parent / "lib" / "libfmmp_tensorrt.so"
        key = EngineKey(
            graph=graph,
            backend=kind,
            version=changes.get("version", {"tensorrt": "10.13.0", "tensorrt-rtx": "1.7.1.116"}[kind]),
            arch=changes.get("arch", "sm86"),
            plugin=sha256(library) if changes.get("plugin", True) else "",
        )
        plan = {"onnx": str(opened.graph(graph)), "plugin": bool(key.plugin), "inside": inside}
        content = changes.get("content", json.dumps(plan | changes.get("plan", {})).encode())
        (folder / key.file).write_bytes(content)
        engines.append(
            EngineSpec(
                **vars(key),
                sha256=sha256(folder / key.file),
                built_from=opened.built_from(graph),
                plugin_inside=inside,
            )
        )
    replace(opened.model, engines=engines).write(folder)
    return folder


@pytest.fixture
def estimator(bundle: Path, kind: str) -> PoseEstimator:
    return PoseEstimator(bundle, kind)


@pytest.fixture
def device(estimator: PoseEstimator) -> FakeDevice:
    return device_of(estimator)


def device_of(estimator: PoseEstimator) -> FakeDevice:
    found: FakeDevice = estimator.backend._device  # type: ignore[attr-defined]  # of this backend
    return found


def module(kind: str) -> Any:  # noqa: ANN401  # the fake module
    return sys.modules[MODULES[kind]]


def remembered(estimator: PoseEstimator, count: int) -> list[SupportState]:
    return [
        estimator.remember([Support(FRAMES[0], POINTS[: 4 - n] + 3 * n, [[0, 1]], box=BOXES[0])])
        for n in range(count)
    ]


def assert_close(found: list[Pose], expected: list[Pose]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.keypoints, other.keypoints)
        np.testing.assert_allclose(one.score, other.score, rtol=0, atol=BRIGHTNESS)
        np.testing.assert_array_equal(one.known, other.known)


def test_answers_are_those_of_onnxruntime(estimator: PoseEstimator, plain_bundle: Path) -> None:
    """Frames of seven sizes, three categories, every graph; and a state is good for both backends."""
    reference = PoseEstimator(plain_bundle, "onnxruntime", threads=1)
    states, theirs = remembered(estimator, 3), remembered(reference, 3)
    for state, other in zip(states, theirs, strict=True):
        for name in state.tensors:
            np.testing.assert_array_equal(state.tensors[name], other.tensors[name])
    mixed = [states[n % 3] for n in range(7)]
    expected = [reference.locate(f, s, b) for f, s, b in zip(FRAMES, mixed, BOXES, strict=True)]
    assert_close([estimator.locate(f, s, b) for f, s, b in zip(FRAMES, mixed, BOXES, strict=True)], expected)
    assert_close(estimator.locate(FRAMES, mixed, BOXES), expected)
    assert_close(estimator.locate(FRAMES, [theirs[n % 3] for n in range(7)], BOXES), expected)


def test_crops_are_those_of_onnxruntime(estimator: PoseEstimator, device: FakeDevice) -> None:
    """Brightness of the crop is the score: a frame that is bright on one side only, cut on that side."""
    (state,) = remembered(estimator, 1)
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[:, 100:] = 200
    dark, bright = estimator.locate(frame, state, [[0, 0, 61, 61], [130, 20, 51, 51]])
    assert dark.score.max() == 0
    assert bright.score.min() > 0.7  # 200 / 255, and some black right of the frame


def test_recorded_once_and_the_state_sent_once(estimator: PoseEstimator, device: FakeDevice) -> None:
    (state,) = remembered(estimator, 1)
    assert device.records == 1  # by the constructor
    estimator.locate(FRAMES[0], state)
    assert device.copies == len(state.tensors)
    replays, uploaded, allocated = device.replays, device.uploaded, device.allocated
    for _ in range(10):
        estimator.locate(FRAMES[0], state)
    assert device.copies == len(state.tensors)
    assert (device.records, device.replays - replays) == (1, 10)
    assert device.allocated == allocated
    rounded = -(-FRAMES[0].nbytes // 256) * 256
    assert device.uploaded - uploaded == 10 * rounded  # the 72 bytes of its place are part of the recording


def test_states_take_turns(estimator: PoseEstimator, device: FakeDevice) -> None:
    states = remembered(estimator, 2)
    expected = [estimator.locate(FRAMES[0], state, BOXES[0]) for state in states]
    uploaded = device.uploaded
    for _ in range(3):
        assert_close([estimator.locate(FRAMES[0], state, BOXES[0]) for state in states], expected)
    rounded = -(-FRAMES[0].nbytes // 256) * 256
    assert device.uploaded - uploaded == 6 * rounded  # frames alone


@pytest.mark.slow
def test_a_dead_state_gives_its_memory_back(estimator: PoseEstimator, device: FakeDevice) -> None:
    (state,) = remembered(estimator, 1)
    estimator.locate(FRAMES[0], state)
    allocated = device.allocated
    for _ in range(5):
        (other,) = remembered(estimator, 1)
        estimator.locate(FRAMES[0], other)
        del other
        gc.collect()
    estimator.locate(FRAMES[0], state)
    assert device.allocated == allocated


def test_the_frame_buffer_grows_to_the_largest(estimator: PoseEstimator, device: FakeDevice) -> None:
    (state,) = remembered(estimator, 1)
    sizes = []
    for height in (50, 200, 100, 200, 60):
        estimator.locate(np.zeros((height, 300, 3), np.uint8), state)
        sizes.append(device.allocated)
    assert sizes[1] - sizes[0] == (200 - 50) * 300 * 3 + (-180000 % 256) - (-45000 % 256)
    assert sizes[2:] == [sizes[1]] * 3


def test_a_frame_with_many_boxes_goes_once(estimator: PoseEstimator, device: FakeDevice) -> None:
    (state,) = remembered(estimator, 1)
    estimator.locate(FRAMES[0], state, BOXES[:4])
    uploaded = device.uploaded
    estimator.locate(FRAMES[0], state, BOXES[:4])
    assert device.uploaded - uploaded == -(-FRAMES[0].nbytes // 256) * 256


def test_a_frame_that_lies_otherwise_in_memory(estimator: PoseEstimator) -> None:
    (state,) = remembered(estimator, 1)
    turned = FRAMES[0][::-1, ::2]
    expected = estimator.locate(np.ascontiguousarray(turned), state)
    np.testing.assert_array_equal(estimator.locate(turned, state).score, expected.score)


def test_graphs_can_be_run_by_name(estimator: PoseEstimator) -> None:
    """As parity does; the state that was in the slots is put there again."""
    states = remembered(estimator, 2)
    expected = estimator.locate(FRAMES[0], states[0], BOXES[0])
    crop = np.full((1, SIZE, SIZE, 3), 51, np.uint8)
    answer = estimator.backend.run("query", {"query": crop, **states[1].tensors})
    np.testing.assert_allclose(answer["score"], 0.2, rtol=1e-6)
    np.testing.assert_array_equal(answer["points"][-1], states[1].tensors["state_mean"])
    assert_close([estimator.locate(FRAMES[0], states[0], BOXES[0])], [expected])


@pytest.mark.parametrize(
    "query", [np.zeros((1, SIZE, SIZE, 3), np.float32), np.zeros((SIZE, SIZE, 3), np.uint8), None]
)
def test_wrong_input_is_named(estimator: PoseEstimator, query: Any) -> None:  # noqa: ANN401
    (state,) = remembered(estimator, 1)
    inputs = state.tensors | ({} if query is None else {"query": query})
    with pytest.raises(BackendError, match=r"query\.onnx takes query as uint8 \[1, 64, 64, 3\], got"):
        estimator.backend.run("query", inputs)


def test_threads_answer_as_one(estimator: PoseEstimator) -> None:
    states = remembered(estimator, 3)
    jobs = [(FRAMES[n % 7], states[n % 3], BOXES[n % 7]) for n in range(40)]
    expected = [estimator.locate(*job) for job in jobs]
    lists = estimator.locate(FRAMES, states[0], BOXES)
    gate = threading.Barrier(4)

    def work(number: int) -> list[Any]:
        gate.wait()
        return [*(estimator.locate(*jobs[n]) for n in range(number, 40, 4)),
                estimator.locate(FRAMES, states[0], BOXES)]  # fmt: skip

    with ThreadPoolExecutor(4) as pool:
        for number, answer in enumerate(pool.map(work, range(4))):
            assert_close(answer[:-1], expected[number::4])
            assert_close(answer[-1], lists)


def test_out_of_memory_and_on(estimator: PoseEstimator, device: FakeDevice) -> None:
    """For a large frame, for a state and for another engine; each time the estimator works on."""
    (state,) = remembered(estimator, 1)
    expected = estimator.locate(FRAMES[0], state)
    allocated = device.allocated
    device.limit = allocated + 1000
    with pytest.raises(DeviceMemoryError, match="out of memory"):
        estimator.locate(np.zeros((2000, 2000, 3), np.uint8), state)
    assert_close([estimator.locate(FRAMES[0], state)], [expected])
    with pytest.raises(DeviceMemoryError, match="out of memory"):
        estimator.locate(FRAMES[:2], state)
    assert_close([estimator.locate(FRAMES[0], state)], [expected])
    (other,) = remembered(estimator, 1)
    with pytest.raises(DeviceMemoryError, match="out of memory"):
        estimator.locate(FRAMES[0], other)
    assert_close([estimator.locate(FRAMES[0], state)], [expected])
    assert device.allocated == allocated
    device.limit *= 10
    assert_close(estimator.locate(FRAMES[:1] * 2, other), [expected] * 2)


def test_a_gpu_that_fails_and_recovers(estimator: PoseEstimator, device: FakeDevice) -> None:
    states = remembered(estimator, 2)
    expected = [estimator.locate(FRAMES[0], state) for state in states]
    device.broken = "the work on the GPU failed: unspecified launch failure"
    with pytest.raises(DeviceError, match="unspecified launch failure"):
        estimator.locate(FRAMES[1], states[0])
    device.broken = ""
    assert_close([estimator.locate(FRAMES[0], state) for state in states], expected)


def test_an_engine_that_does_not_run(estimator: PoseEstimator, device: FakeDevice, kind: str) -> None:
    (state,) = remembered(estimator, 1)
    expected = estimator.locate(FRAMES[:2], state)
    crop = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    module(kind).fail.append("run")
    with pytest.raises(BackendError, match=r"TensorRT.* cannot run .*\.engine: enqueue failed; "):
        estimator.backend.run("query", {"query": crop, **state.tensors})
    allocated = device.allocated
    module(kind).fail.append("run")
    with pytest.raises(BackendError, match="enqueue failed"):
        estimator.locate(FRAMES[:4], state)
    assert device.allocated == allocated  # nothing of the session that could not be made
    assert_close(estimator.locate(FRAMES[:2], state), expected)
    assert_close(estimator.locate(FRAMES[:4], state)[:2], expected)


def test_no_context(bundle: Path, kind: str) -> None:
    backend = backends.create(kind, Bundle.open(bundle))
    module(kind).fail.append("context")
    with pytest.raises(
        BackendError, match=r"cannot run .*: CUDA error 2: out of memory; if it has no memory"
    ):
        backend.load("query")
    backend.load("query")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arch": "sm89"}, r"no engine for query on sm86 .* was built for sm89: `fmmp-export --bundle"),
        ({"version": "9.9"}, r"was built with TensorRT(-RTX)? 9\.9: `fmmp-export --bundle"),
        ({"content": b"not a plan"}, r"cannot load .*\.engine: magic tag does not match; build it again"),
        ({"plan": {"without": ["score"]}}, r"has score as None, expected \('OUTPUT', 'float32', \[1, 12\]\)"),
    ],
)
def test_an_engine_that_cannot_be_used(
    plain_bundle: Path, tmp_path: Path, machine: Path, kind: str, changes: dict[str, Any], says: str
) -> None:
    folder = add_engines(copy_bundle(plain_bundle, tmp_path / "bundle"), kind, **changes)
    with pytest.raises((BackendError, EngineError), match=says):
        PoseEstimator(folder, kind)


def test_a_damaged_engine(bundle: Path, kind: str) -> None:
    (file,) = (bundle / "engines").glob("query-*")
    file.write_bytes(b"damaged")
    for name in (kind, "auto"):
        with pytest.raises(EngineError, match="has changed since it was built"):
            PoseEstimator(bundle, name)


def test_no_engine_at_all(plain_bundle: Path, machine: Path, kind: str) -> None:
    with pytest.raises(EngineError, match="has no engine for query on sm86"):
        PoseEstimator(plain_bundle, kind)


def test_an_engine_of_one_graph_is_missing(bundle: Path, kind: str) -> None:
    opened = Bundle.open(bundle)
    engines = [engine for engine in opened.model.engines if engine.graph != "query_batch4"]
    replace(opened.model, engines=engines).write(bundle)
    estimator = PoseEstimator(bundle, kind)
    (state,) = remembered(estimator, 1)
    with pytest.raises(EngineError, match="has no engine for query_batch4 on sm86"):
        estimator.locate(FRAMES, state)
    estimator.locate(FRAMES[:3], state)


@pytest.mark.parametrize("inside", [True, False])
def test_where_the_operator_comes_from(
    plain_bundle: Path, tmp_path: Path, machine: Path, kind: str, inside: bool
) -> None:
    folder = add_engines(copy_bundle(plain_bundle, tmp_path / "bundle"), kind, inside=inside)
    estimator = PoseEstimator(folder, kind)
    (state,) = remembered(estimator, 1)
    estimator.locate(FRAMES, state)
    library = str(tmp_path / "lib" / "libfmmp_tensorrt.so")
    assert module(kind).loaded == ([] if inside else [library])
    assert device_of(estimator).library == Path(library)
    assert bool(module(kind).nvidia_plugins) == (kind == "tensorrt")


def test_what_was_compiled_is_kept(bundle: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    PoseEstimator(bundle, kind)
    caches = sorted((bundle / "engines").glob("*.cache"))
    if kind == "tensorrt":
        assert caches == []
        return
    (cache,) = caches
    assert cache.name == f"{next((bundle / 'engines').glob('query-*.engine')).name}.cache"
    assert cache.read_bytes() == b"kernels for this GPU"
    before = cache.stat()
    PoseEstimator(bundle, kind)
    assert cache.stat().st_ino == before.st_ino  # not written again
    cache.write_bytes(b"kernels for another GPU")
    assert "made anew" not in caplog.text
    PoseEstimator(bundle, kind)
    assert "is of another GPU, driver or version, and is made anew" in caplog.text
    assert cache.read_bytes() == b"kernels for this GPU"
    cache.unlink()
    cache.mkdir()  # can't be written over
    PoseEstimator(bundle, kind)
    assert "will compile its kernels again at the next start" in caplog.text


def test_auto_takes_the_engine_that_fits(bundle: Path, kind: str) -> None:
    title = {"tensorrt": "TensorRT 10.13.0 on sm86", "tensorrt-rtx": "TensorRT-RTX 1.7.1.116 on sm86"}[kind]
    assert PoseEstimator(bundle).backend.description.startswith(title)


def test_auto_prefers_tensorrt(plain_bundle: Path, tmp_path: Path, machine: Path) -> None:
    folder = copy_bundle(plain_bundle, tmp_path / "bundle")
    for kind in ("tensorrt-rtx", "tensorrt"):
        add_engines(folder, kind)
    assert PoseEstimator(folder).backend.description.startswith("TensorRT 10.13.0")


def test_auto_without_engines_does_not_look_for_a_gpu(
    plain_bundle: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "architecture", None)
    description = PoseEstimator(plain_bundle).backend.description
    assert description.startswith("ONNX Runtime")
    assert "the bundle's engines" not in description


@pytest.mark.parametrize(
    ("lacks", "says"),
    [
        ("gpu", "no NVIDIA driver is installed"),
        ("package", "the Python package tensorrt(_rtx)? is not installed: pip install 'fmmp"),
        ("pycuda", "the Python package pycuda is not installed: pip install 'fmmp"),
        (
            "its library",
            "package tensorrt(_rtx)? is installed but does not load: libnvinfer.so.10 is not here",
        ),
        ("library", r"libfmmp_tensorrt\.so is not in"),
        ("arch", "they were built for sm86, and here is sm120 with TensorRT"),
    ],
)
def test_what_a_machine_lacks(
    bundle: Path, kind: str, machine: Path, monkeypatch: pytest.MonkeyPatch, lacks: str, says: str
) -> None:
    def no_gpu() -> str:
        raise OSError("no NVIDIA driver is installed (libcuda.so.1 does not load)")

    if lacks == "gpu":
        monkeypatch.setattr(gpu, "architecture", no_gpu)
    elif lacks == "arch":
        monkeypatch.setattr(gpu, "architecture", lambda: "sm120")
    elif lacks == "package":
        (machine / f"{MODULES[kind]}.py").unlink()
    elif lacks == "its library":
        (machine / f"{MODULES[kind]}.py").write_text("raise ImportError('libnvinfer.so.10 is not here')\n")
        monkeypatch.delitem(sys.modules, MODULES[kind], raising=False)
    elif lacks == "pycuda":
        (machine / "pycuda" / "__init__.py").unlink()
    else:
        (machine.parent / "lib" / "libfmmp_tensorrt.so").unlink()
    estimator = PoseEstimator(bundle)
    assert estimator.backend.description.startswith("ONNX Runtime")
    assert re.search(f"; the bundle's engines are not used: .*{says}", estimator.backend.description)
    if lacks != "arch":
        with pytest.raises(BackendError, match=rf"TensorRT(-RTX)? cannot run here: .*{says}"):
            PoseEstimator(bundle, kind)
