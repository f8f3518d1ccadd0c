# SPDX-License-Identifier: Apache-2.0
"""The engine that fits is found; of the others it is said why they do not."""

import ctypes
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from fmmp_runtime.backends import gpu
from fmmp_runtime.bundle.engines import EngineError, EngineKey, EngineSpec
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import BundleError
from fmmp_runtime.files import sha256
from tests.fakes.bundle import copy_bundle

KEY = EngineKey(graph="query", backend="tensorrt-rtx", version="1.7.1", arch="sm86", plugin="ab" * 32)


@pytest.fixture
def folder(bundle: Path, tmp_path: Path) -> Path:
    """A bundle with one engine, for KEY."""
    copy = copy_bundle(bundle, tmp_path / "copy")
    (copy / "engines").mkdir()
    (copy / KEY.file).write_bytes(b"plan")
    opened = Bundle.open(copy)
    spec = EngineSpec(
        **dataclasses.asdict(KEY),
        sha256=sha256(copy / KEY.file),
        built_from=opened.built_from("query"),
        plugin_inside=True,
    )
    dataclasses.replace(opened.model, engines=[spec]).write(copy)
    return copy


def test_the_engine_that_fits(folder: Path) -> None:
    assert KEY.file == "engines/query-1.7.1-sm86-abababababab.engine"
    assert Bundle.open(folder).engine(KEY)[1] == b"plan"


def test_it_comes_from_its_own_graph_and_every_weight(folder: Path) -> None:
    built_from = Bundle.open(folder).built_from("query")
    assert sorted(built_from) == ["query.onnx", "weights.bin"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"graph": "pair"}, r"no engine for pair on sm86 with TensorRT-RTX 1\.7\.1: `fmmp-export --bundle"),
        ({"backend": "tensorrt"}, r"no engine for query on sm86 with TensorRT 1\.7\.1: `fmmp-export"),
        ({"arch": "sm89"}, r"engine was built for sm86: `fmmp-export .* --arch sm89` builds it"),
        ({"version": "1.8.0"}, r"engine was built with TensorRT-RTX 1\.7\.1: "),
        (
            {"plugin": "cd" * 32},
            r"built with another operator library \(abababababab, here is cdcdcdcdcdcd\)",
        ),
        ({"plugin": ""}, r"built with another operator library \(abababababab, here is none\)"),
        ({"arch": "sm89", "version": "1.8"}, r"built for sm86, with TensorRT-RTX 1\.7\.1: "),
    ],
)
def test_an_engine_for_something_else_is_refused(folder: Path, changes: dict[str, str], says: str) -> None:
    with pytest.raises(EngineError, match=says):
        Bundle.open(folder).engine(dataclasses.replace(KEY, **changes))


def test_the_nearest_engine_is_spoken_of(folder: Path) -> None:
    opened = Bundle.open(folder)
    (spec,) = opened.model.engines
    far = dataclasses.replace(spec, arch="sm120", version="1.6")
    model = dataclasses.replace(opened.model, engines=[far, spec])
    with pytest.raises(EngineError, match="was built for sm86: "):
        dataclasses.replace(opened, model=model).engine(dataclasses.replace(KEY, arch="sm75"))


@pytest.mark.parametrize("file", ["query.onnx", "weights.bin"])
def test_an_engine_of_an_earlier_export_is_refused(folder: Path, file: str) -> None:
    (folder / file).write_bytes((folder / file).read_bytes() + b"\0")
    content = json.loads((folder / "model.json").read_text())
    content["files"][file] = sha256(folder / file)
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(EngineError, match=rf"was built from another {file}: "):
        Bundle.open(folder).engine(KEY)


def test_a_damaged_engine_is_refused_when_it_is_wanted(folder: Path) -> None:
    (folder / KEY.file).write_bytes(b"plot")
    opened = Bundle.open(folder)
    with pytest.raises(EngineError, match="has changed since it was built"):
        opened.engine(KEY)
    (folder / KEY.file).unlink()
    with pytest.raises(EngineError, match="is missing: `fmmp-export"):
        opened.engine(KEY)


@pytest.mark.parametrize("version", ["../../../etc", ".."])
def test_model_json_names_no_engine_elsewhere(folder: Path, version: str) -> None:
    content = json.loads((folder / "model.json").read_text())
    content["engines"][0]["version"] = f"1/{version}/x"
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match="may only name files of the bundle"):
        Bundle.open(folder)


def test_engines_are_read_strictly(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_text())
    del content["engines"][0]["arch"]
    (folder / "model.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"no key 'engines\[0\]\.arch'"):
        Bundle.open(folder)


class Driver:
    """libcuda, with one GPU or a failure."""

    def __init__(self, major: int = 8, minor: int = 6, fails: str = "") -> None:
        self.numbers = {75: major, 76: minor}
        self.fails = fails

    def _status(self, function: str) -> int:
        return 100 if function == self.fails else 0

    def cuInit(self, flags: int) -> int:
        return self._status("cuInit")

    def cuDeviceGet(self, handle: Any, device: int) -> int:  # noqa: ANN401
        return self._status("cuDeviceGet")

    def cuDeviceGetAttribute(self, number: Any, attribute: int, handle: Any) -> int:  # noqa: ANN401
        number._obj.value = self.numbers[attribute]
        return self._status("cuDeviceGetAttribute")


@pytest.mark.parametrize(("major", "minor", "arch"), [(8, 6, "sm86"), (12, 0, "sm120")])
def test_architecture(monkeypatch: pytest.MonkeyPatch, major: int, minor: int, arch: str) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(major, minor))
    assert gpu.architecture() == arch


@pytest.mark.parametrize("function", ["cuInit", "cuDeviceGet", "cuDeviceGetAttribute"])
def test_no_gpu_is_said(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver(fails=function))
    with pytest.raises(OSError, match="100"):
        gpu.architecture()


def test_no_driver_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "DRIVER", "libfmmp_no_such_driver.so.1")
    with pytest.raises(OSError, match="no NVIDIA driver is installed"):
        gpu.architecture()
