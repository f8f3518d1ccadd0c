# SPDX-License-Identifier: Apache-2.0
"""A folder with the page and a bundle for any web server: everything runs in the browser."""

import json
import shutil
from pathlib import Path

from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import REFERENCE_FILE, WEIGHTS_FILE
from fmmp_runtime.studio.app import page_folder

ORT_FILES = (  # of onnxruntime-web, MIT; the last two are for WebGPU
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)


def write_static(bundle: Bundle, folder: Path, onnxruntime_web: Path) -> None:
    """Write the folder.

    Args:
        bundle: that runs in the browser.
        folder: to write; must not exist or be empty.
        onnxruntime_web: `dist` of the npm package onnxruntime-web, whose files are copied.

    Raises:
        OSError: a file is missing or can't be written.
    """
    missing = [name for name in ORT_FILES if not (onnxruntime_web / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{onnxruntime_web} has no {missing[0]}: get it with `npm install onnxruntime-web` and name its "
            "folder node_modules/onnxruntime-web/dist"
        )
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name a new folder")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(page_folder(), part)
    for name, source in (("ort", onnxruntime_web), ("bundle", bundle.path)):
        (part / name).mkdir()
        for file in ORT_FILES if name == "ort" else _bundle_files(bundle):
            shutil.copyfile(source / file, part / name / file)
    (part / "studio.json").write_text(json.dumps({"bundle": "bundle/", "ort": "ort/", "server": False}))
    if folder.exists():
        folder.rmdir()
    part.rename(folder)


def _bundle_files(bundle: Bundle) -> list[str]:
    """What a browser reads: two graphs, their weights, and PyTorch's answers."""
    graphs = [bundle.model.graphs[name].file for name in ("support", "query")]
    return ["model.json", *graphs, WEIGHTS_FILE, REFERENCE_FILE]
