# SPDX-License-Identifier: Apache-2.0
"""The TensorRT backend without a GPU: on one of host memory, and what is said where none is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fmmp_runtime.backends import gpu as python_gpu
from fmmp_runtime.bundle.folder import Bundle
from tests.cpp.build import ROOT, environment
from tests.cpp.c_api import Api, FmmpError
from tests.fakes.bundle import copy_bundle
from tests.fakes.cpp_gpu import FakeGpu, add_engines, compile_fake, replace_engines, variables
from tests.plugins.cuda.nvidia import require


@pytest.fixture(scope="module")
def gpu(built: Path, tmp_path_factory: pytest.TempPathFactory) -> FakeGpu:
    return compile_fake(built, tmp_path_factory.mktemp("fake_gpu"))


@pytest.fixture
def engines(bundle: Path, gpu: FakeGpu, tmp_path: Path) -> Path:
    return add_engines(copy_bundle(bundle, tmp_path / "engines"), gpu)


def consumer(
    built: Path, gpu: FakeGpu, bundle: Path, backend: str = "tensorrt", **more: str
) -> subprocess.CompletedProcess[str]:
    """`fmmp_locate` with the fake GPU, without a frame: it opens the bundle and remembers one keypoint."""
    picture = bundle / "support.ppm"
    picture.write_bytes(b"P6 40 30 255\n" + bytes(40 * 30 * 3))
    arguments = ("--support", picture, "--keypoints", "10,10,20,20", "--backend", backend, "--threads", "1")
    return subprocess.run(
        [built / "examples" / "fmmp_locate", bundle, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**variables(gpu, environment()), **more},
    )


def test_on_a_gpu_of_host_memory(built: Path, gpu: FakeGpu, engines: Path) -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.cpp.gpu_process",
            built / "libfmmp_runtime.so",
            gpu.folder,
            engines,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=variables(gpu, environment()),
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_auto_says_why_it_passes_engines_over(
    built: Path, gpu: FakeGpu, bundle: Path, tmp_path: Path
) -> None:
    folder = add_engines(copy_bundle(bundle, tmp_path / "sm75"), gpu, arch="sm75")
    result = consumer(built, gpu, folder, "auto")
    assert result.returncode == 0, result.stderr
    assert "ONNX Runtime 1." in result.stderr
    assert (
        "the bundle's engines are not used: they were built for sm75, and here is sm86 with" in result.stderr
    )
    result = consumer(built, gpu, folder, "auto", FAKE_NO_GPU="1")
    assert result.returncode == 0, result.stderr
    assert "the NVIDIA driver finds no GPU that it can use (cuInit returns 100)" in result.stderr


NONE = "has no engine for query on sm86 with TensorRT {version}"
QUERY = "{folder}/{file}"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"arch": "sm75"},
            f"{NONE}; {{file}} was built for sm75: `fmmp-export --bundle {{folder}} ",
        ),
        ({"version": "9.9"}, f"{NONE}; {{file}} was built with TensorRT 9.9"),
        ({"plugin": "abc"}, "was built with another operator library (abc, here is "),
        ({"built_from": {"query.onnx": "0"}}, "was built from another query.onnx"),
        ({"backend": "tensorrt-rtx"}, f"{NONE}: `fmmp-export --bundle"),
        ({"sha256": "0" * 64}, f"{QUERY} has changed since it was built (SHA-256 "),
        ({"plan": "refuse"}, f"cannot load {QUERY}: the fake refuses this plan; build it again"),
        (
            {"plan": "query\ninput query uint8 1 9 9 3\n"},
            f"{QUERY} does not take query as uint8 [1, 64, 64, 3]",
        ),
    ],
)
def test_an_engine_that_does_not_fit(
    built: Path, gpu: FakeGpu, bundle: Path, tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    folder = add_engines(copy_bundle(bundle, tmp_path / "copy"), gpu, **changes)
    result = consumer(built, gpu, folder)
    assert result.returncode == 1, result.stderr
    file = Bundle.open(folder).model.engines[1].file
    assert says.format(version=gpu.version, folder=folder, file=file) in result.stderr


def test_what_lies_in_the_engine_is_not_loaded_twice(
    built: Path, gpu: FakeGpu, bundle: Path, tmp_path: Path
) -> None:
    """The registry refuses a second copy of the operator, and both graphs need it."""
    for inside in (False, True):
        folder = add_engines(copy_bundle(bundle, tmp_path / f"{inside}"), gpu, plugin_inside=inside)
        result = consumer(built, gpu, folder)
        assert result.returncode == 0, result.stderr


def test_a_missing_engine_is_no_matter_of_the_others(built: Path, gpu: FakeGpu, engines: Path) -> None:
    """The query engine alone is enough for a device that only looks; remembering says what lacks."""
    model = Bundle.open(engines).model
    replace_engines(engines, [engine for engine in model.engines if engine.graph == "query"])
    result = consumer(built, gpu, engines)
    assert result.returncode == 1
    assert f"has no engine for support on sm86 with TensorRT {gpu.version}: `fmmp-export" in result.stderr
    file = next(engine.file for engine in model.engines if engine.graph == "query")
    (engines / file).unlink()
    assert f"{file} is missing: `fmmp-export" in consumer(built, gpu, engines).stderr


def test_failures_while_it_runs(built: Path, gpu: FakeGpu, engines: Path) -> None:
    result = consumer(built, gpu, engines, FAKE_RUN_FAILS="1")
    assert result.returncode == 1
    assert "TensorRT cannot run " in result.stderr
    assert ".engine: the fake does not run" in result.stderr


def test_another_major_version(built: Path, gpu: FakeGpu, engines: Path) -> None:
    result = consumer(built, gpu, engines, FAKE_MAJOR="1")
    assert result.returncode == 1
    expected = f"is TensorRT 99.7.1.2, this fmmp was compiled for TensorRT {gpu.major}: compile it with"
    assert expected in result.stderr


def test_a_machine_without_anything(api: Api, bundle: Path, gpu: FakeGpu, tmp_path: Path) -> None:
    """All that is missing, at once."""
    try:
        python_gpu.architecture()
    except OSError:
        pass
    else:
        pytest.skip("this machine has an NVIDIA GPU")
    folder = add_engines(copy_bundle(bundle, tmp_path / "copy"), gpu)
    with pytest.raises(FmmpError, match=r"TensorRT cannot run here: .*NVIDIA driver") as caught:
        api.open(folder, backend="tensorrt", tensorrt_library="nothing.so", operator_folder=str(tmp_path))
    assert caught.value.status == "BACKEND_ERROR"
    for words in (f"TensorRT {gpu.major} is not here", "nothing.so", "libfmmp_tensorrt.so is neither beside"):
        assert words in str(caught.value)
    estimator = api.open(folder, backend="auto")
    assert "ONNX Runtime 1." in estimator.description
    assert "the bundle's engines are not used: " in estimator.description


@pytest.mark.parametrize("major", [10, 11])
def test_genuine_libraries_load(api: Api, bundle: Path, gpu: FakeGpu, tmp_path: Path, major: int) -> None:
    """NVIDIA's lean library of this major is taken and only the driver lacks; the other major is refused."""
    path = require(f"lean{major}") / "tensorrt_lean_libs" / f"libnvinfer_lean.so.{major}"
    folder = add_engines(copy_bundle(bundle, tmp_path / "copy"), gpu)
    with pytest.raises(FmmpError) as caught:
        api.open(folder, backend="tensorrt", tensorrt_library=str(path), operator_folder=str(gpu.folder))
    said = str(caught.value)
    assert ("NVIDIA driver" in said) or ("NVIDIA GPU" in said)
    if major == gpu.major:
        assert "libnvinfer_lean" not in said
    else:
        assert f"is TensorRT {major}." in said
        assert f"this fmmp was compiled for TensorRT {gpu.major}" in said
