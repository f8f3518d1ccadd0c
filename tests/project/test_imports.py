# SPDX-License-Identifier: Apache-2.0
"""The runtime needs no torch, and what is not used is not imported."""

import os
import subprocess
import sys

import pytest

BLOCK = "import sys; sys.modules['torch'] = None; "


def _run(program: str, *options: str) -> str:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, *options, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "module",
    [
        *(
            "annotation",
            "backends.onnxruntime",
            "bundle.folder",
            "cli.run",
            "media.draw",
            "estimator",
            "files",
        ),
        *("cli.bench", "bench.run", "operators", "pose", "bundle.reference", "cli.run_job", "media.video"),
    ],
)
def test_module_imports_without_torch(module: str) -> None:
    _run(f"{BLOCK}import fmmp_runtime.{module}")


def test_names_of_the_package() -> None:
    _run(f"{BLOCK}from fmmp_runtime import Pose")
    _run(f"{BLOCK}import fmmp_runtime as f; [getattr(f, name) for name in f.__all__]")
    said = _run("import fmmp_runtime\ntry: fmmp_runtime.Pos\nexcept AttributeError as e: print(e)")
    assert said.strip() == "module 'fmmp_runtime' has no attribute 'Pos'"


def test_pose_is_numpy_alone() -> None:
    loaded = _run(
        "import fmmp_runtime.pose, sys; print([m for m in ('cv2', 'onnxruntime') if m in sys.modules])"
    )
    assert loaded.strip() == "[]"


def test_help_needs_neither_opencv_nor_onnxruntime() -> None:
    program = (
        "import sys; sys.modules.update(torch=None, cv2=None, onnxruntime=None); "
        "from fmmp_runtime.cli.run import main; main(['--help'])"
    )
    assert "--annotation" in _run(program)


def test_reports_need_no_torch() -> None:
    modules = ("charts", "files", "paper", "tables")
    _run(BLOCK + "; ".join(f"import fmmp_train.evaluation.report.{module}" for module in modules))
