# SPDX-License-Identifier: Apache-2.0
"""Loads the plugin library into the registry of a lean TensorRT: `registry_process.py FOLDER LIBRARY`.

A process of its own, since two TensorRT versions share module names. Prints a JSON report.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
from typing import Any

import numpy as np

NAME = "MultiScaleDeformableAttention"


def create(trt: Any, creator: Any, name: str, sizes: list[int]) -> str | None:  # noqa: ANN401
    """Name of the class that the creator makes of one int32 field, or None when it refuses."""
    field = trt.PluginField(name, np.array(sizes, np.int32), trt.PluginFieldType.INT32)
    plugin = creator.create_plugin("node", trt.PluginFieldCollection([field]), trt.TensorRTPhase.BUILD)
    return None if plugin is None else type(plugin).__name__


def report(folder: str, library: str) -> dict[str, object]:
    """What the registry says before, while and after the library is loaded."""
    sys.path.insert(0, folder)
    trt = importlib.import_module("tensorrt_lean_bindings")
    registry = trt.get_plugin_registry()

    def names() -> list[str]:
        return [f"{creator.name} {creator.plugin_version}" for creator in registry.all_creators]

    before = names()
    handle = registry.load_library(library)
    loaded = names()
    creator = registry.get_creator(NAME, "1", "")
    result = {
        "version": trt.__version__,
        "before": before,
        "loaded": loaded,
        "fields": [field.name for field in creator.field_names],
        "created": create(trt, creator, "level_sizes", [32, 32, 16, 16, 8, 8]),
        "odd count": create(trt, creator, "level_sizes", [32]),
        "unknown field": create(trt, creator, "im2col_step", [64]),
        "version 2": registry.get_creator(NAME, "2", "") is not None,
        "other namespace": registry.get_creator(NAME, "1", "other") is not None,
    }
    del creator
    gc.collect()  # a reference that outlives the library would call into unloaded code
    registry.deregister_library(handle)
    return {**result, "after": names()}


if __name__ == "__main__":
    print(json.dumps(report(sys.argv[1], sys.argv[2])))
