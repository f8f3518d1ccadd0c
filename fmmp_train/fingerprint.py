# SPDX-License-Identifier: Apache-2.0
"""Is an evaluation that goes on still about the same model and the same data?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from fmmp_runtime.bundle import MODEL_FILE
from fmmp_runtime.files import sha256
from fmmp_train.data import DataError
from fmmp_train.pairs import Pair

_NAMED = 3  # missing images that an error names


def model_identity(model: Path, **settings: object) -> str:
    """Hash of a checkpoint, or of a bundle's model.json, which has the hash of every file, and of `settings`.

    Raises:
        OSError: it is missing or unreadable.
    """
    file = model / MODEL_FILE if model.is_dir() else model
    return hashlib.sha256(json.dumps([sha256(file), settings], sort_keys=True).encode()).hexdigest()


class ImageWatch:
    """The images that pairs ask for, as they were when this was made.

    Args:
        pairs: whose images are looked up.
        source: the annotation file, for messages.

    Raises:
        DataError: images are missing; names some.
    """

    def __init__(self, pairs: Sequence[Pair], source: Path) -> None:
        self._source = source
        paths = dict.fromkeys(path for pair in pairs for path in _images(pair))
        self._seen = {path: _state(path) for path in paths}
        missing = [str(path) for path, state in self._seen.items() if state is None]
        if missing:
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            raise DataError(
                f"{source}: {len(missing)} of {len(paths)} images that are asked for are missing: "
                f"{', '.join(missing[:_NAMED])}{more}; fmmp-data check lists them"
            )

    @property
    def fingerprint(self) -> str:
        """Hash of the names and sizes; times are left out, since copies of a data set have others."""
        text = "\n".join(f"{path.name} {state[0]}" for path, state in self._seen.items() if state is not None)
        return hashlib.sha256(text.encode()).hexdigest()

    def sizes(self, pairs: Iterable[Pair]) -> list[int]:
        """Bytes of every image of `pairs`, in their order."""
        return [
            state[0] for pair in pairs for path in _images(pair) if (state := self._seen[path]) is not None
        ]

    def compare(self, pairs: Sequence[Pair], sizes: Sequence[int]) -> None:
        """Refuse `pairs` that were measured on images of other sizes, in an earlier run.

        Raises:
            DataError: names the first one.
        """
        paths = [path for pair in pairs for path in _images(pair)]
        for path, before, now in zip(paths, sizes, self.sizes(pairs), strict=True):
            if before != now:
                raise DataError(
                    f"{self._source}: {path} had {before} bytes when it was measured, and has {now} now: "
                    "put it back, or choose another --out"
                )

    def check(self, pairs: Iterable[Pair]) -> None:
        """Refuse images of `pairs` that changed since this was made.

        Raises:
            DataError: names the first one.
        """
        for pair in pairs:
            for path in _images(pair):
                if _state(path) != self._seen[path]:
                    raise DataError(
                        f"{self._source}: {path} changed while the evaluation read it: put it back and run "
                        "again; what was measured before is kept under --out"
                    )


def _images(pair: Pair) -> list[Path]:
    return [*(support.image for support in pair.supports), pair.query.image]


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None where there is no such file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
