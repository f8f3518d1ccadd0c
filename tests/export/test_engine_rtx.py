# SPDX-License-Identifier: Apache-2.0
"""Engines that TensorRT-RTX really builds, ahead of time and without a GPU."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fmmp_export.engine import EngineError, add_engines, find_builder
from fmmp_export.export import Export
from fmmp_runtime.bundle import Bundle
from fmmp_runtime.operators import library
from tests.operator_gpu.nvidia import require


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
def test_half_precision_bundle_gets_engines(half_export: Export, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(half_export.path, tmp_path / "bundle"))
    made = list(add_engines(bundle, find_builder("tensorrt-rtx", ["sm86"])))
    assert [engine.spec.graph for engine in made] == list(half_export.model.graphs)
    assert all(engine.spec.plugin_inside for engine in made)
    assert Bundle.open(bundle).engine(made[0].spec.key) == made[0].path


@pytest.mark.usefixtures("rtx")
def test_float_products_on_turing_are_refused_in_words(float_export: Export, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(float_export.path, tmp_path / "bundle"))
    with pytest.raises(EngineError, match="takes no float32 matrix product on sm75; use --backend tensorrt"):
        list(add_engines(bundle, find_builder("tensorrt-rtx", ["sm75"])))
    assert Bundle.open(bundle).model.engines == []
