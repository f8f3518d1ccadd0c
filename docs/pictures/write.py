# SPDX-License-Identifier: Apache-2.0
"""Write what is drawn from the code: the pictures of docs/architecture.md and CONTRIBUTING's table of rooms.

Run it as `python -m docs.pictures.write` from the top of the repository; a test compares what stands there.
"""

from collections.abc import Callable
from pathlib import Path

from docs.pictures import data_way, rooms

HERE = Path(__file__).parent
PICTURES: dict[Path, Callable[[], str]] = {
    HERE / "rooms.svg": rooms.picture,
    HERE / "data-way.svg": data_way.picture,
}
CONTRIBUTING = HERE.parents[1] / "CONTRIBUTING.md"
START, END = "<!-- rooms: written by docs/pictures/write.py -->", "<!-- end of rooms -->"


def with_table(text: str) -> str:
    """CONTRIBUTING with the table of rooms as it is now.

    Raises:
        ValueError: the marks around the table are gone.
    """
    before, _, rest = text.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{CONTRIBUTING} must hold {START!r} and {END!r} around its table of rooms")
    return f"{before}{START}\n{rooms.table()}\n{END}{after}"


def main() -> None:
    """Write them all."""
    for file, draw in PICTURES.items():
        file.write_text(draw(), encoding="utf-8")
    CONTRIBUTING.write_text(with_table(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
