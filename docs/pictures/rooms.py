# SPDX-License-Identifier: Apache-2.0
"""The rooms of the code as a picture and as CONTRIBUTING's table, from the folders and their docstrings."""

import ast

from docs.pictures.svg import LINE, Drawing
from tests.project.rooms import LEVELS, PACKAGES, rooms_of

COLOURS = {"fmmp_runtime": "#d8ecf8", "fmmp_train": "#fdebc8", "fmmp_export": "#d9f0e3"}
ABOVE = ("fmmp_export", "fmmp_train", "fmmp_runtime")  # from left to right: each imports those to its right
COLUMN, GAP, ROOM, MARGIN = 330, 60, 104, 14  # pixels


def what_for(package: str, room: str = "") -> str:
    """First sentence of the docstring of a package or room, without its end."""
    place = PACKAGES[package] / room
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return said.splitlines()[0].split(". ")[0].rstrip(".")


def levels_of(package: str) -> list[list[str]]:
    """The levels of a package from the ground up, with the rooms that are there."""
    there = rooms_of(package)
    levels = [[room for room in rooms if room in there] for rooms in LEVELS[package]]
    return [rooms for rooms in levels if rooms]


def table() -> str:
    """Markdown: a row a room, from the ground up."""
    lines = ["| level | room | what it is for | may import |", "|---|---|---|---|"]
    before: list[str] = []
    for package in LEVELS:
        lines.append(f"| | **{package}** | {what_for(package)} | {', '.join(before) or 'nothing of ours'} |")
        for level, rooms in enumerate(levels_of(package), 1):
            allowed = "; ".join([f"levels 1 to {level}" if level > 1 else "level 1", *before])
            lines += [f"| {level} | `{room}` | {what_for(package, room)} | {allowed} |" for room in rooms]
        before.append(package)
    return "\n".join(lines)


def picture() -> str:
    """SVG: a column a package; a room imports what stands beside or below it, and columns to its right."""
    rows = {package: sum(_height(rooms) + 10 for rooms in levels_of(package)) for package in ABOVE}
    height = 2 * MARGIN + 50 + max(rows.values())
    drawing = Drawing(2 * MARGIN + 3 * COLUMN + 2 * GAP, height)
    for number, package in enumerate(ABOVE):
        left = MARGIN + number * (COLUMN + GAP)
        drawing.box(left, MARGIN, COLUMN, height - 2 * MARGIN, COLOURS[package], what_for(package))
        drawing.text(left + COLUMN // 2, MARGIN + 22, [package], bold=True)
        bottom = height - MARGIN - 8
        for rooms in levels_of(package):
            bottom -= _height(rooms)
            _draw_level(drawing, package, rooms, left, bottom)
            bottom -= 10
        if number:
            middle = height // 2
            drawing.arrow((left - GAP, middle), (left - 2, middle))
            drawing.text(left - GAP // 2, middle - 8, ["imports"])
    return str(drawing)


def _height(rooms: list[str]) -> int:
    """Pixels of a level: three rooms a row."""
    return -(-len(rooms) // 3) * 30 - 4


def _draw_level(drawing: Drawing, package: str, rooms: list[str], left: int, top: int) -> None:
    for number, room in enumerate(rooms):
        row, column = divmod(number, 3)
        in_row = min(3, len(rooms) - 3 * row)
        start = left + (COLUMN - in_row * ROOM) // 2
        x, y = start + column * ROOM + 2, top + row * 30
        drawing.box(x, y, ROOM - 4, 26, "#ffffff", what_for(package, room))
        drawing.text(x + ROOM // 2 - 2, y + LINE + 1, [room])
