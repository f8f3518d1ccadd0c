# SPDX-License-Identifier: Apache-2.0
"""Run the runtime's tests with the oldest packages that pyproject.toml allows, in a venv under build/floors.

The operator library of this Python's own installation is used; nothing is compiled.
"""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from fmmp_runtime.operators import FOLDER_VARIABLE, library

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "floors"
DEPENDENCIES = re.compile(r"^dependencies = \[(.*?)\]", re.MULTILINE | re.DOTALL)
FLOOR = re.compile(r'"([\w-]+)>=([\d.]+)"')
TOOLS = (
    "pytest>=8",
    "filelock",
    "hypothesis>=6.100",
    "matplotlib==3.8",
    "onnx==1.17",
)  # what the tests import beside
TESTS = ("tests/runtime", "tests/plugins/cpu/test_onnxruntime.py")


def floors(project: str) -> list[str]:
    """`numpy==1.26` for every `numpy>=1.26` of the dependencies in the text of a pyproject.toml."""
    listed = DEPENDENCIES.search(project)
    assert listed is not None
    return [f"{name}=={version}" for name, version in FLOOR.findall(listed[1])]


def main() -> int:
    """Make the venv, install, run; the status is pytest's."""
    python = FOLDER / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    oldest = floors((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if not python.is_file():
        venv.create(FOLDER, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, *oldest, *TOOLS], check=True)
    subprocess.run([*install, "--no-deps", "-Cwheel.cmake=false", str(ROOT)], check=True)
    print(f"Python {sys.version.split()[0]}, {', '.join(oldest)}", flush=True)
    variables = os.environ | {FOLDER_VARIABLE: str(library("onnxruntime").parent)}
    run = [str(python), "-m", "pytest", "-q", *sys.argv[1:], *TESTS]
    return subprocess.run(run, cwd=ROOT, env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
