# SPDX-License-Identifier: Apache-2.0
"""The rooms of the code and who may import whom: the one table, from which CONTRIBUTING's is written.

A room is a folder of a package, or a file at its top. A room imports rooms of its own level and of the levels
before it, and packages that come before its own.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "fmmp_runtime": ROOT / "runtime" / "fmmp_runtime",
    "fmmp_train": ROOT / "fmmp_train",
    "fmmp_export": ROOT / "fmmp_export",
}
Levels = tuple[tuple[str, ...], ...]
LEVELS: dict[str, Levels] = {  # from the ground up
    "fmmp_runtime": (
        ("pose", "files", "settings"),
        ("media",),
        ("annotation", "bundle", "backends", "operators", "support_state", "shots", "batch", "parity"),
        ("estimator", "find", "tracking"),
        ("bench", "studio"),
        ("cli",),
    ),
    "fmmp_train": (
        ("model", "terminal"),
        ("checkpoint",),
        ("data", "synthetic"),
        ("evaluation", "processes"),
        ("calibration", "figures"),
        ("training",),
        ("progress", "reproduction"),
        ("cli",),
    ),
    "fmmp_export": (
        ("graph",),
        ("engines", "bundle"),
        ("export", "parity"),
        ("against_eager", "demo", "serving"),
        ("cli",),
    ),
}

# What of other people's a package or a room must do without, and why.
_NUMPY_ALONE = {"cv2", "onnxruntime", "torch"}
WITHOUT: dict[str, set[str]] = {
    "fmmp_runtime": {"torch", "torchvision", "timm", "onnx", "accelerate"},  # it runs where none of them is
    "fmmp_runtime.pose": _NUMPY_ALONE,
    "fmmp_train": {"onnx", "onnxscript"},
    "fmmp_train.evaluation.report": {"torch", "timm"},  # a report is drawn where nothing is trained
}


def files(package: str) -> list[Path]:
    """The Python files of a package, or of a room in it such as "fmmp_runtime.pose"."""
    top, *rest = package.split(".")
    return sorted(PACKAGES[top].joinpath(*rest).rglob("*.py"))


def module_of(file: Path) -> str:
    """The dotted name of a file of ours."""
    top = next(folder for folder in PACKAGES.values() if file.is_relative_to(folder))
    return ".".join(file.relative_to(top.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(file: Path) -> Iterator[str]:
    """Dotted names that a file imports anywhere, also inside functions; `from a.b import c` gives a.b.c."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> tuple[str, str]:
    """Package and room of a dotted name of ours; the room is "" for the package itself."""
    package, room = (*name.split("."), "")[:2]
    folder = PACKAGES[package]
    return package, room if (folder / room).is_dir() or (folder / f"{room}.py").is_file() else ""


def level_of(package: str, room: str) -> int:
    """How high a room stands; the package itself, which hands out names of its rooms, stands on top."""
    if not room:
        return len(LEVELS[package])
    return next(height for height, rooms in enumerate(LEVELS[package]) if room in rooms)


def rooms_of(package: str) -> list[str]:
    """The rooms that are there: folders with Python in them, and files at the top."""
    folder = PACKAGES[package]
    found = {room_of(module_of(file))[1] for file in folder.rglob("*.py")}
    return sorted(found - {""})


def arrows() -> Iterator[tuple[Path, tuple[str, str], tuple[str, str]]]:
    """Every import of ours by ours that leaves its room: the file, its room, the room that it imports."""
    for folder in PACKAGES.values():
        for file in sorted(folder.rglob("*.py")):
            here = room_of(module_of(file))
            there = {room_of(name) for name in imports(file) if name.split(".")[0] in PACKAGES}
            yield from ((file, here, room) for room in sorted(there - {here}))
