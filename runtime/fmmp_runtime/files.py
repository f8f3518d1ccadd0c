# SPDX-License-Identifier: Apache-2.0
"""Files that are complete or not there, power cuts included; that end; how to tell that one changed."""

import errno
import hashlib
import json
import math
import os
import secrets
import stat
from pathlib import Path

import numpy as np

PART = ".part"  # ends the name of what is not complete yet
_SHOWN = 40  # characters of the name that a temporary one starts with: names have a limit


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write under a temporary name in the same folder, then rename: a kill or full disk leaves the old file.

    Args:
        path: the file; its permissions are the user's umask's.
        data: its content.
        durable: it is on the disk when this returns, and a power cut can't undo it. Not worth its time, some
            milliseconds, for one of many pictures that can be made again.

    Raises:
        OSError: names the file that could not be written.
    """
    partial = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(4)}{PART}")
    try:
        try:
            with partial.open("xb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """See that the names in a folder are on the disk: a rename alone may be undone by a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # of network file systems, which sync no folder
            raise
    finally:
        os.close(handle)


def write_json(path: Path, content: object) -> None:
    """Write `content` for people and programs; complete or not there.

    Arrays become lists, and numbers that are not finite, which JSON does not know, null.

    Raises:
        OSError: names the file that could not be written.
    """
    write_atomically(path, (json.dumps(_finite(content), indent=1, allow_nan=False) + "\n").encode())


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def check_regular(path: Path) -> os.stat_result:
    """What the system says of an ordinary file: a pipe may never open or end, and a device has no end.

    Raises:
        OSError: there is no such file, or it is a folder, pipe or device.
    """
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(f"{path} is a folder, expected a file")
    if not stat.S_ISREG(state.st_mode):
        raise OSError(f"{path} is not a regular file but a pipe, socket or device: copy it into a file first")
    return state


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The bytes of an ordinary file.

    Raises:
        OSError: as of `check_regular`; or it holds more than `most_bytes`.
    """
    state = check_regular(path)
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
