# SPDX-License-Identifier: Apache-2.0
"""Engines that TensorRT-RTX really builds, ahead of time and without a GPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fmmp_export.engines.engine import EngineError, add_engines, find_builder
from fmmp_export.engines.graph import prepare
from fmmp_export.export import Export
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.operators import library
from tests.plugins.cuda.nvidia import require


@pytest.fixture
def rtx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RTX as its wheel installs it, so without the library name that `make nvidia` adds."""
    source = require("rtx")
    try:
        library("tensorrt")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    site = tmp_path / "site"
    for file in source.rglob("*"):
        if file.is_file() and file.name != "libtensorrt_rtx.so":
            place = site / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            if file.suffix == ".py":
                shutil.copy(file, place)  # it looks beside itself, with links resolved
            else:
                place.symlink_to(file)
    monkeypatch.syspath_prepend(site)


@pytest.mark.usefixtures("rtx")
def test_half_precision_bundle_gets_an_engine(half_export: Export, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(half_export.path, tmp_path / "bundle"))
    made = next(add_engines(bundle, find_builder("tensorrt-rtx", ["sm86"])))
    assert made.spec.plugin_inside
    assert Bundle.open(bundle).engine(made.spec.key)[0] == made.spec


@pytest.mark.usefixtures("rtx")
def test_turing_takes_float_products_as_convolutions(float_export: Export, tmp_path: Path) -> None:
    builder = find_builder("tensorrt-rtx", ["sm75"])
    path = float_export.path / "support.onnx"
    graph = prepare(path, float_products=builder.takes_float_products("sm75"))
    builder.build(path, graph, "sm75", tmp_path / "engine")
    assert builder.library.read_bytes() in (tmp_path / "engine").read_bytes()
    with pytest.raises(EngineError, match=r"for sm75: .*Turing \(SM75\): FP32 GEMM is not supported"):
        builder.build(path, prepare(path), "sm75", tmp_path / "none")
