# SPDX-License-Identifier: Apache-2.0
"""The folder of an evaluation: every batch is written down when it is done, so that a kill loses one batch.

`run.json` says what is measured; `pairs-<process>.jsonl` has a line for each batch of pairs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from fmmp_runtime.files import write_atomically, write_json
from fmmp_runtime.settings import parse
from fmmp_train.evaluation.evaluate import Measured

RUN_FILE = "run.json"
_FORMAT = 1


class Batch(NamedTuple):
    """Pairs that were answered together."""

    sizes: list[int]  # bytes of their images
    rows: list[Measured]


class ResultLogError(ValueError):
    """A folder that holds the evaluation of something else."""


class ResultLog:
    """Open a folder, new or of an evaluation that was begun.

    Args:
        folder: made where it is missing.
        measured: data and protocol, what an evaluation has beside its methods; plain JSON.
        methods: identity of each method by name.
        process: number of this process; each writes its own file.

    Raises:
        OSError: the folder cannot be read or written.
        ResultLogError: it is damaged, or of another model, data or protocol; says what differs.
    """

    def __init__(
        self, folder: Path, measured: dict[str, Any], methods: dict[str, str], process: int = 0
    ) -> None:
        self.folder = Path(folder)
        self._methods = methods
        self._own = self.folder / f"pairs-{process}.jsonl"
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self._agree(measured)
        content = {"format": _FORMAT, **measured, "methods": {**known, **methods}}
        write_json(self.folder / RUN_FILE, content)
        self._done: dict[str, dict[int, Batch]] = {}
        for file in sorted(self.folder.glob("pairs-*.jsonl")):
            self._read(file)
        if self._own.exists():  # a kill may have cut the last line
            whole = [
                line for line in self._own.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
            ]
            write_atomically(self._own, b"".join(whole))

    def done(self, method: str) -> dict[int, Batch]:
        """Batches of a method that are written down, by number."""
        return dict(self._done.get(self._methods[method], {}))

    def add(self, method: str, number: int, batch: Batch) -> None:
        """Write a batch down; it is on disk when this returns."""
        identity = self._methods[method]
        line = json.dumps({"of": identity, "batch": number, **batch._asdict()})
        with self._own.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._done.setdefault(identity, {})[number] = batch

    def _agree(self, measured: dict[str, Any]) -> dict[str, str]:
        """Methods that the folder knows, after a check that it is about the same thing."""
        file = self.folder / RUN_FILE
        if not file.exists():
            return {}
        try:
            content = parse(file.read_bytes())
            known = dict(content["methods"])
        except (ValueError, KeyError, TypeError) as error:
            raise ResultLogError(
                f"{file} is damaged: remove {self.folder}, or choose another --out"
            ) from error
        if content.get("format") != _FORMAT:
            raise ResultLogError(
                f"{file} has format {content.get('format')}, this version writes {_FORMAT}: "
                "choose another --out"
            )
        for name, value in json.loads(json.dumps(measured)).items():
            if content.get(name) != value:
                raise ResultLogError(
                    f"{self.folder} holds an evaluation with other {name}: "
                    f"{_difference(content.get(name), value)}; choose another --out, or remove it"
                )
        for name, identity in self._methods.items():
            if known.get(name, identity) != identity:
                raise ResultLogError(
                    f"{self.folder} holds an evaluation of another {name}: its files or backend have changed "
                    "since; choose another --out, or remove it"
                )
        return known

    def _read(self, file: Path) -> None:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(keepends=True), 1):
            if not line.endswith("\n"):
                continue  # cut by a kill, or being written
            try:
                entry = parse(line)
                rows = [Measured(*row) for row in entry["rows"]]
                self._done.setdefault(entry["of"], {})[int(entry["batch"])] = Batch(entry["sizes"], rows)
            except (ValueError, KeyError, TypeError) as error:
                raise ResultLogError(
                    f"{file}: line {number} is damaged: remove that line and run again"
                ) from error


def _difference(old: Any, new: Any) -> str:  # noqa: ANN401  # whatever the JSON holds
    """What differs, in a few words."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
        return ", ".join(f"{name} was {_short(old.get(name))}, is {_short(new.get(name))}" for name in names)
    return f"it was {_short(old)}, is {_short(new)}"


def _short(value: Any) -> str:  # noqa: ANN401  # whatever the JSON holds
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "..."
