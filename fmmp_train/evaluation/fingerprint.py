# SPDX-License-Identifier: Apache-2.0
"""Is an evaluation that goes on still about the same model and the same data?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fmmp_runtime.bundle.specs import MODEL_FILE
from fmmp_runtime.files import sha256
from fmmp_train.data import DataError
from fmmp_train.evaluation.pairs import Pair

State = tuple[int, int]  # size in bytes and time of the last change; of a file that is there
_NAMED = 3  # missing images that an error names


def model_identity(model: Path, **settings: object) -> str:
    """Hash of a checkpoint, or of a bundle's model.json, which has the hash of every file, and of `settings`.

    Raises:
        OSError: it is missing or unreadable.
    """
    file = model / MODEL_FILE if model.is_dir() else model
    return hashlib.sha256(json.dumps([sha256(file), settings], sort_keys=True).encode()).hexdigest()


def look_up(images: Iterable[Path], source: Path) -> dict[Path, State]:
    """Sizes and times of images.

    Args:
        images: which; repetitions count once.
        source: the annotation file, for messages.

    Raises:
        DataError: images are missing; names some.
    """
    found = {path: _state(path) for path in dict.fromkeys(images)}
    missing = [str(path) for path, state in found.items() if state is None]
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise DataError(
            f"{source}: {len(missing)} of {len(found)} images that are asked for are missing: "
            f"{', '.join(missing[:_NAMED])}{more}; fmmp-data check lists them"
        )
    return {path: state for path, state in found.items() if state is not None}


def changed(seen: Mapping[Path, State]) -> list[Path]:
    """The files that are no longer as they were seen."""
    return [path for path, state in seen.items() if _state(path) != state]


def hash_sizes(seen: Mapping[Path, State]) -> str:
    """Hash of the names and sizes; times are left out, since copies of a data set have others."""
    text = "\n".join(f"{path.name} {state[0]}" for path, state in seen.items())
    return hashlib.sha256(text.encode()).hexdigest()


class ImageWatch:
    """The images of pairs, as they were when this was made.

    Args:
        pairs: whose images are looked up.
        source: the annotation file, for messages.

    Raises:
        DataError: images are missing; names some.
    """

    def __init__(self, pairs: Sequence[Pair], source: Path) -> None:
        self._source = source
        self._seen = look_up((path for pair in pairs for path in images_of(pair)), source)

    @property
    def fingerprint(self) -> str:
        """Hash of the names and sizes of all images."""
        return hash_sizes(self._seen)

    def sizes(self, pairs: Iterable[Pair]) -> list[int]:
        """Bytes of every image of `pairs`, in their order."""
        return [self._seen[path][0] for pair in pairs for path in images_of(pair)]

    def compare(self, pairs: Sequence[Pair], sizes: Sequence[int]) -> None:
        """Refuse `pairs` that were measured on images of other sizes, in an earlier run.

        Raises:
            DataError: names the first one.
        """
        paths = [path for pair in pairs for path in images_of(pair)]
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
        files = {path: self._seen[path] for pair in pairs for path in images_of(pair)}
        for path in changed(files):
            raise DataError(
                f"{self._source}: {path} changed while the evaluation read it: put it back and run again; "
                "what was measured before is kept under --out"
            )


def images_of(pair: Pair) -> list[Path]:
    """Of the supports, then of the query."""
    return [*(support.image for support in pair.supports), pair.query.image]


def _state(path: Path) -> State | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
