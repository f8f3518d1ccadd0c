# SPDX-License-Identifier: Apache-2.0
"""Which package may import which: fmmp_export -> fmmp_train -> fmmp_runtime, and no torch in the last."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "runtime" / "fmmp_runtime"

# Package -> what of ours, and what heavy, it must not import.
FORBIDDEN = {
    RUNTIME: {
        "fmmp_train",
        "fmmp_export",
        "torch",
        "torchvision",
        "timm",
        "onnx",
        "accelerate",
    },
    RUNTIME / "pose": {"cv2", "onnxruntime"},  # numpy alone
    ROOT / "fmmp_train": {"fmmp_export", "onnx", "onnxscript"},
}

# From the installed package, so that a command that does not exist is found here.
COMMANDS = {
    script.name: script.value
    for script in entry_points(group="console_scripts")
    if script.dist is not None and script.dist.name == "fmmp"
}


def imports(file: Path) -> Iterator[str]:
    """Top-level names that a file imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN, ids=lambda path: path.name)
def test_no_import_points_back(package: Path) -> None:
    files = list(package.rglob("*.py"))
    assert files
    wrong = {
        (str(f.relative_to(ROOT)), name) for f in files for name in imports(f) if name in FORBIDDEN[package]
    }
    assert not wrong


def test_every_module_of_the_runtime_imports_with_torch_blocked() -> None:
    modules = [
        ".".join(file.relative_to(RUNTIME.parent).with_suffix("").parts).removesuffix(".__init__")
        for file in sorted(RUNTIME.rglob("*.py"))
    ]
    assert "fmmp_runtime.estimator" in modules
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(FORBIDDEN[RUNTIME])}: sys.modules[name] = None\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_instant(command: str) -> None:
    """`--help` answers without importing torch, which takes seconds."""
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        f"sys.argv = ['{command}', '--help']\n"
        f"from {COMMANDS[command].replace(':', ' import ')}\n"
        "main()\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert f"usage: {command}" in answer.stdout
