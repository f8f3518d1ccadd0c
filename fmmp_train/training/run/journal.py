# SPDX-License-Identifier: Apache-2.0
"""What a run writes down: `log.jsonl`, a line for each step and validation, and the same for TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, Any

from torch.utils.tensorboard import SummaryWriter

from fmmp_runtime.files import write_atomically

LOG_FILE = "log.jsonl"
_TENSORBOARD_EVERY = 10  # steps


class Journal:
    """Open the journal of a run that has done `step` steps; later lines, of work that was lost, are cut off.

    Args:
        folder: of the run; None for a process that writes nothing.
        step: steps done.
    """

    def __init__(self, folder: Path | None, step: int) -> None:
        self._file: IO[str] | None = None
        if folder is None:
            return
        path = folder / LOG_FILE
        kept = [line for line in _lines(path) if json.loads(line)["step"] <= step]
        write_atomically(path, "".join(kept).encode())
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._board: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def close(self) -> None:
        """Nothing more is to come."""
        if self._file is not None:
            self._file.close()
            self._board.close()

    def write(self, step: int, group: str, values: dict[str, float]) -> None:
        """Note the values of `step`, counted from 1; floats are written so that they read back the same."""
        if self._file is None:
            return
        self._file.write(json.dumps({"step": step, "group": group, **values}) + "\n")
        if group != "train" or step % _TENSORBOARD_EVERY == 0:
            for name, value in values.items():
                self._board.add_scalar(f"{group}/{name}", value, step)


def read_journal(folder: Path, group: str) -> list[dict[str, Any]]:
    """The lines of one group, in order."""
    rows = [json.loads(line) for line in _lines(folder / LOG_FILE)]
    return [row for row in rows if row["group"] == group]


def _lines(path: Path) -> list[str]:
    """Whole lines of the file; a kill may have cut the last one."""
    if not path.exists():
        return []
    return [
        line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")
    ]
