# SPDX-License-Identifier: Apache-2.0
"""The few shapes of the drawn pictures, as SVG: rounded boxes with text, and arrows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

LINE = 16  # pixels between two lines of text
INK, PAPER = "#222222", "#ffffff"


@dataclass
class Drawing:
    """A picture that grows by shapes."""

    width: int
    height: int
    shapes: list[str] = field(default_factory=list)

    def box(self, left: int, top: int, width: int, height: int, fill: str, hint: str = "") -> None:
        """A rounded box; `hint` is shown under the mouse."""
        title = f"<title>{escape(hint)}</title>" if hint else ""
        self.shapes.append(
            f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="6" fill="{fill}" '
            f'stroke="{INK}" stroke-opacity="0.35">{title}</rect>'
        )

    def text(self, x: int, y: int, lines: Sequence[str], *, bold: bool = False, middle: bool = True) -> None:
        """Lines of text, the first one standing on y; the first bold."""
        anchor = ' text-anchor="middle"' if middle else ""
        for number, line in enumerate(lines):
            weight = ' font-weight="bold"' if bold and number == 0 else ""
            self.shapes.append(f'<text x="{x}" y="{y + number * LINE}"{anchor}{weight}>{escape(line)}</text>')

    def arrow(self, *corners: tuple[int, int]) -> None:
        """A line through corners with a head at its end."""
        path = " ".join(f"{x},{y}" for x, y in corners)
        look = f'fill="none" stroke="{INK}" stroke-width="1.5" marker-end="url(#head)"'
        self.shapes.append(f'<polyline points="{path}" {look}/>')

    def __str__(self) -> str:
        """The file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'font-family="sans-serif" font-size="12" fill="{INK}">\n'
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{INK}"/></marker></defs>\n'
            f'<rect width="{self.width}" height="{self.height}" fill="{PAPER}"/>\n'
        )
        return head + "\n".join(self.shapes) + "\n</svg>\n"
