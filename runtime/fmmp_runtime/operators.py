# SPDX-License-Identifier: Apache-2.0
"""Where the compiled operator lies: MultiScaleDeformableAttention for ONNX Runtime and for TensorRT."""

import os
import sys
import sysconfig
from pathlib import Path

LIBRARIES = {"onnxruntime": "fmmp_onnxruntime", "tensorrt": "fmmp_tensorrt"}
FOLDER_VARIABLE = "FMMP_LIBRARY_DIR"  # looked into first, for a build of one's own


def library(kind: str) -> Path:
    """Path of the operator library for `kind`, "onnxruntime" or "tensorrt".

    Raises:
        ValueError: another kind.
        FileNotFoundError: it is not built; says how to build it.
    """
    if kind not in LIBRARIES:
        raise ValueError(f"operator library must be one of {', '.join(LIBRARIES)}, got {kind!r}")
    name = _file_name(LIBRARIES[kind])
    for folder in _folders():
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"{name} is not in {_folders()[0]}: build it with `pip install .` in the repository (CMake says what "
        f"is missing), or point {FOLDER_VARIABLE} at the folder of a build"
    )


def _folders() -> list[Path]:
    """Where a library may lie: the variable's folder, and no other, if it is set; else beside this file.

    Of an editable install the compiled part goes into site-packages.
    """
    if own := os.environ.get(FOLDER_VARIABLE):
        return [Path(own)]
    return [Path(__file__).parent / "lib", Path(sysconfig.get_path("platlib")) / "fmmp_runtime" / "lib"]


def _file_name(stem: str) -> str:
    if sys.platform == "win32":
        return f"{stem}.dll"
    return f"lib{stem}.dylib" if sys.platform == "darwin" else f"lib{stem}.so"
