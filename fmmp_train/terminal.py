# SPDX-License-Identifier: Apache-2.0
"""What commands show on the terminal: tables, a bar, and the steps of some work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_FILE_WIDTH = 118  # characters of a table's line, where no terminal says


def table_console() -> Console:
    """Where tables are printed."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    return console


@contextmanager
def show_bar(what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """Yield what some work tells how much is done, and perhaps of how much: a bar on stderr meanwhile."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of=None: bar.update(task, completed=done, total=of)  # None: as before


@contextmanager
def show_steps(logger: str) -> Iterator[None]:
    """Show what `logger` says as steps of some work, each with its time; lines where nothing can move."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        logging.getLogger(logger).setLevel(logging.INFO)
        yield
        return
    columns = (
        SpinnerColumn(finished_text="[green]\N{CHECK MARK}"),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
        handler = _Steps(bar)
        logging.getLogger(logger).setLevel(logging.INFO)
        logging.getLogger(logger).addHandler(handler)
        try:
            yield
            handler.finish()
        finally:
            logging.getLogger(logger).removeHandler(handler)


class _Steps(logging.Handler):
    """A line of the bar for each message: the step that is being done."""

    def __init__(self, bar: Progress) -> None:
        super().__init__(logging.INFO)
        self._bar = bar
        self._current: TaskID | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.finish()
        self._current = self._bar.add_task(record.getMessage(), total=1)

    def finish(self) -> None:
        """The step that was being done is."""
        if self._current is not None:
            self._bar.update(self._current, completed=1)
