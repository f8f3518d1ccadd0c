# SPDX-License-Identifier: Apache-2.0
"""Which room may import which (`rooms.py`), what each must do without, and that no folder is a corridor."""

import ast
import subprocess
import sys
from collections import Counter
from importlib.metadata import entry_points

import pytest

from tests.project.rooms import (
    LEVELS,
    PACKAGES,
    ROOT,
    WITHOUT,
    arrows,
    files,
    imports,
    level_of,
    module_of,
    rooms_of,
)

MOST_IN_A_FOLDER = 12  # files, and as many rooms
MOST_LINES = 400
ROOMY = ("fmmp_train", "fmmp_export", "runtime", "trt_plugins", "docs")
NOT_OURS = ("tests/", "trt_plugins/onnxruntime/include/")  # the latter is ONNX Runtime's
NOT_COUNTED = {"__init__.py", "py.typed", "CMakeLists.txt"}

# From the installed package, so that a command that does not exist is found here.
COMMANDS = {
    script.name: script.value
    for script in entry_points(group="console_scripts")
    if script.dist is not None and script.dist.name == "fmmp"
}


@pytest.mark.parametrize("package", LEVELS)
def test_every_room_is_in_the_table(package: str) -> None:
    listed = Counter(room for rooms in LEVELS[package] for room in rooms)
    assert max(listed.values()) == 1
    new = set(rooms_of(package)) - set(listed)
    assert not new, f"give {new} a level in tests/project/rooms.py"


def test_imports_go_down() -> None:
    order = list(LEVELS)
    wrong = [
        f"{file.relative_to(ROOT)} imports {'.'.join(there)}"
        for file, here, there in arrows()
        if (order.index(there[0]), level_of(*there)) > (order.index(here[0]), level_of(*here))
    ]
    assert not wrong


@pytest.mark.parametrize("room", WITHOUT)
def test_a_room_does_without(room: str) -> None:
    names = {(module_of(file), name.split(".")[0]) for file in files(room) for name in imports(file)}
    assert names
    assert not {(file, name) for file, name in names if name in WITHOUT[room]}


def tracked(*endings: str) -> list[str]:
    """Files of ours that git knows, as they stand on disk."""
    said = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if said.returncode:
        pytest.skip("not a clone: git knows no files here")
    names = [name for name in said.stdout.splitlines() if (ROOT / name).is_file()]
    return [name for name in names if not endings or name.endswith(endings)]


def test_no_folder_is_a_corridor() -> None:
    held: dict[tuple[str, bool], set[str]] = {}
    for name in tracked():
        parts = name.split("/")
        for depth in range(1, len(parts)):
            is_file = depth == len(parts) - 1
            held.setdefault(("/".join(parts[:depth]), is_file), set()).add(parts[depth])
    code = {place: inside for place, inside in held.items() if place[0].split("/")[0] in ROOMY}
    assert code
    crowded = {
        folder: len(inside - NOT_COUNTED)
        for (folder, _), inside in code.items()
        if len(inside - NOT_COUNTED) > MOST_IN_A_FOLDER
    }
    assert not crowded


def test_no_file_is_long() -> None:
    lengths = {
        name: len((ROOT / name).read_text(encoding="utf-8").splitlines())
        for name in tracked(".py", ".cpp", ".h", ".hpp", ".cu", ".cuh", ".cmake")
        if not name.startswith(NOT_OURS)
    }
    assert lengths
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_LINES}


@pytest.mark.parametrize("room", ["fmmp_runtime", "fmmp_train.evaluation.report"])
def test_every_module_imports_with_torch_blocked(room: str) -> None:
    modules = [module_of(file) for file in files(room)]
    assert len(modules) > 3
    order = list(LEVELS)
    blocked = WITHOUT[room] | set(order[order.index(room.split(".")[0]) + 1 :])
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(blocked)}: sys.modules[name] = None\n"
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


def test_every_room_says_what_it_is_for() -> None:
    folders = {file.parent for package in PACKAGES for file in files(package)}
    silent = [
        str(folder.relative_to(ROOT))
        for folder in sorted(folders)
        if not (folder / "__init__.py").is_file()
        or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    ]
    assert not silent
