# SPDX-License-Identifier: Apache-2.0
"""One library file in the plugin registries of TensorRT 10 and 11: NVIDIA's own code, no GPU."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fmmp_export.graph.operator import FMMP, INPUTS
from tests.plugins.cuda import graphs
from tests.plugins.cuda.nvidia import registry_report

OURS = ["MultiScaleDeformableAttention 1", "SharedValueDeformableAttention 1"]


@pytest.mark.parametrize(("part", "version"), [("lean10", "10.16"), ("lean11", "11.4")])
def test_registry_loads_uses_and_forgets_the_library(part: str, version: str, plugin_library: Path) -> None:
    report, said = registry_report(part, plugin_library)
    assert report["version"].startswith(version)
    assert sorted(report["loaded"]) == sorted([*report["before"], *OURS])
    assert sorted(report["after"]) == sorted(report["before"])
    assert report["fields"] == ["level_sizes"]
    assert report["created"] == "IPluginV3"
    assert report["odd count"] is None
    assert "level_sizes must be up to 16 int32 numbers, height and width of each level, got 1" in said
    assert report["unknown field"] is None
    assert "knows the field level_sizes only, got im2col_step" in said
    assert not report["version 2"]
    assert not report["other namespace"]


def test_the_exporter_writes_the_names_that_the_library_registers() -> None:
    assert f"{FMMP.op_type} {FMMP.plugin_version}" == OURS[0]
    assert graphs.INPUTS == INPUTS


@pytest.mark.skipif(shutil.which("readelf") is None or shutil.which("nm") is None, reason="needs binutils")
def test_library_links_no_tensorrt_and_exports_two_functions(plugin_library: Path) -> None:
    needed = subprocess.run(
        ["readelf", "--dynamic", plugin_library], capture_output=True, text=True, check=True
    ).stdout
    assert "libstdc++" in needed  # the reading works
    assert not any(name in needed for name in ("nvinfer", "tensorrt_rtx", "libcuda"))
    symbols = subprocess.run(
        ["nm", "--dynamic", "--defined-only", plugin_library], capture_output=True, text=True, check=True
    ).stdout
    assert {line.split()[-1] for line in symbols.splitlines()} == {
        "fmmp_crop",
        "getCreators",
        "setLoggerFinder",
    }
