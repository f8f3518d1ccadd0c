# SPDX-License-Identifier: Apache-2.0
"""The ONNX Runtime backend on a fake network."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fmmp_runtime import backends
from fmmp_runtime.backends import BackendError
from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.files import sha256
from tests.fakes.bundle import HEADS, KEYPOINTS, SIZE, copy_bundle, write_bundle


@pytest.fixture
def no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without the compiled operator, in place of the real one."""
    folder = tmp_path / "lib"
    folder.mkdir()
    monkeypatch.setenv("FMMP_LIBRARY_DIR", str(folder))
    monkeypatch.setattr("sys.platform", "linux")
    return folder


def test_runs_every_graph(bundle: Path) -> None:
    backend = backends.create("onnxruntime", Bundle.open(bundle), threads=1)
    keypoints = np.random.default_rng(0).random((1, 1, KEYPOINTS, 2), np.float32)
    inputs: dict[str, NDArray[Any]] = {
        "support": np.zeros((1, 1, SIZE, SIZE, 3), np.uint8),
        "keypoints": keypoints,
        "visible": np.ones((1, 1, KEYPOINTS), bool),
        "reference_index": np.zeros((1, 1, KEYPOINTS, HEADS), np.int64),
    }
    query: dict[str, NDArray[Any]] = {"query": np.full((1, SIZE, SIZE, 3), 51, np.uint8)}
    state = backend.run("support", inputs)
    answer = backend.run("query", query | state)
    pair = backend.run("pair", query | inputs)
    np.testing.assert_array_equal(answer["points"][-1], keypoints[0])
    np.testing.assert_allclose(answer["score"], 0.2, rtol=1e-6)  # 51 / 255; one float32 division
    assert answer.keys() == pair.keys() == {"points", "score"}
    for name in answer:
        np.testing.assert_array_equal(answer[name], pair[name])


def test_says_when_the_operator_is_not_built(bundle: Path, no_library: Path) -> None:
    description = backends.create("auto", Bundle.open(bundle)).description
    assert "ONNX Runtime" in description
    assert f"own definition, which is slower (libfmmp_onnxruntime.so is not in {no_library}" in description


def test_a_bundle_of_standard_operators_needs_no_library(no_library: Path, tmp_path: Path) -> None:
    """As `fmmp-export --msda standard` writes it."""
    (no_library / "libfmmp_onnxruntime.so").write_text("not a library")
    standard = write_bundle(tmp_path / "standard", operator=False)
    assert "by standard operators, as it" in backends.create("onnxruntime", Bundle.open(standard)).description


def test_broken_operator_library_is_an_error(bundle: Path, no_library: Path) -> None:
    (no_library / "libfmmp_onnxruntime.so").write_text("not a library")
    with pytest.raises(BackendError, match=r"libfmmp_onnxruntime\.so"):
        backends.create("onnxruntime", Bundle.open(bundle))


def test_unknown_backend(bundle: Path) -> None:
    with pytest.raises(BackendError, match="one of auto, onnxruntime, tensorrt, tensorrt-rtx, got 'abacus'"):
        backends.create("abacus", Bundle.open(bundle))


def test_a_frame_does_not_wait_while_another_graph_is_loaded(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Bundle.open(bundle)
    backend = OnnxRuntimeBackend(opened)
    backend.load("query")
    loading, done = threading.Event(), threading.Event()

    def slowly(*_: object, **__: object) -> None:
        loading.set()
        assert done.wait(60)

    monkeypatch.setattr("onnxruntime.InferenceSession", slowly)
    with ThreadPoolExecutor() as pool:
        pool.submit(backend.load, "support")
        try:
            assert loading.wait(10)
            pool.submit(backend.load, "query").result(10)
        finally:
            done.set()


def test_broken_graph_is_named(bundle: Path, tmp_path: Path) -> None:
    opened = Bundle.open(bundle)
    copy = copy_bundle(bundle, tmp_path / "copy")
    (copy / "query.onnx").write_bytes(b"no graph")
    files = opened.model.files | {"query.onnx": sha256(copy / "query.onnx")}
    with pytest.raises(BackendError, match=r"cannot load .*query\.onnx"):
        backends.create("onnxruntime", replace(opened, path=copy, model=replace(opened.model, files=files)))


def test_wrong_input_is_named(bundle: Path) -> None:
    backend = backends.create("onnxruntime", Bundle.open(bundle), threads=1)
    with pytest.raises(BackendError, match=r"cannot run .*query\.onnx: .*state_"):
        backend.run("query", {"query": np.zeros((1, SIZE, SIZE, 3), np.uint8)})
