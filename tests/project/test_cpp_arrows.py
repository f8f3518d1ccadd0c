# SPDX-License-Identifier: Apache-2.0
"""Arrows outside of the packages: C++ includes, and the scripts beside the code."""

import re
from pathlib import Path

import pytest

from tests.project.rooms import PACKAGES, ROOT, WITHOUT, imports

OPERATOR, RUNTIME = ROOT / "trt_plugins", ROOT / "runtime" / "cpp"
INTERFACE = OPERATOR / "include"
C_ENDINGS = {".h", ".hpp", ".cpp", ".c", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<(fmmp/[^>]+)>)', re.MULTILINE)

# Folder -> where what it includes of ours may lie; beside the including file always.
MAY_INCLUDE = {
    OPERATOR: [INTERFACE, OPERATOR / "src"],
    RUNTIME: [RUNTIME / "src", RUNTIME / "include", INTERFACE],
    INTERFACE: [INTERFACE],
}
# Folder of scripts -> what they must do without.
SCRIPTS = {
    OPERATOR: set(PACKAGES),
    ROOT / "runtime": (set(PACKAGES) | WITHOUT["fmmp_runtime"]) - {"fmmp_runtime", "onnx"},
}


def _includes(folder: Path) -> list[tuple[Path, str]]:
    """Every header that a C++ file below `folder` includes by name, but for the system's."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix in C_ENDINGS]
    found = [(file, match.group(1) or match.group(2)) for file in files for match in _matches(file)]
    assert found
    return found


def _matches(file: Path) -> list[re.Match[str]]:
    return list(INCLUDE.finditer(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("folder", MAY_INCLUDE, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_cpp_includes_its_own_and_what_lies_below(folder: Path) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} includes {name}"
        for file, name in _includes(folder)
        if not any((place / name).is_file() for place in (file.parent, *MAY_INCLUDE[folder]))
        or ".." in Path(name).parts
    ]
    assert not wrong


@pytest.mark.parametrize("folder", SCRIPTS, ids=lambda folder: folder.name)
def test_scripts_import_nothing_from_above(folder: Path) -> None:
    files = [
        file for file in sorted(folder.rglob("*.py")) if not file.is_relative_to(PACKAGES["fmmp_runtime"])
    ]
    assert files
    wrong = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imports(file)
        if name.split(".")[0] in SCRIPTS[folder]
    }
    assert not wrong
