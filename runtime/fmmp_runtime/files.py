# SPDX-License-Identifier: Apache-2.0
"""Files that are complete or not there, that end, and how to tell that one changed."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write under a temporary name in the same folder, then rename: a kill or full disk leaves the old file.

    Raises:
        OSError: names the file that could not be written.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
    finally:
        Path(name).unlink(missing_ok=True)


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The bytes of an ordinary file: a pipe may never end, and a device has no end.

    Raises:
        OSError: there is no such file, it is a folder, pipe or device, or it holds more than `most_bytes`.
    """
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(f"{path} is a folder, expected a file")
    if not stat.S_ISREG(state.st_mode):
        raise OSError(f"{path} is not a regular file but a pipe, socket or device: copy it into a file first")
    if state.st_size > most_bytes:
        raise OSError(
            f"{path} holds {state.st_size / 1e6:.0f} MB, too large to read at once: "
            f"at most {most_bytes / 1e6:.0f}"
        )
    return path.read_bytes()


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
