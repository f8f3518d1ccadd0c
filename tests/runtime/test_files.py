# SPDX-License-Identifier: Apache-2.0
"""A file is complete or not there."""

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fmmp_runtime.files import sha256, write_atomically


def test_writes_and_replaces(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    for data in (b"old", b"new and longer"):
        write_atomically(file, data)
        assert file.read_bytes() == data
    assert list(tmp_path.iterdir()) == [file]


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the system call fails half-way too."""
    file = tmp_path / "a.bin"
    write_atomically(file, b"old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write .*a\.bin: File too large") as error:
            write_atomically(file, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert error.value.errno == errno.EFBIG
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_kill_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    write_atomically(file, b"old")
    program = (
        "import os, pathlib, sys; from fmmp_runtime import files; "
        "pathlib.Path.replace = lambda *a: os.kill(os.getpid(), 9); "
        "files.write_atomically(pathlib.Path(sys.argv[1]), b'new')"
    )
    done = subprocess.run([sys.executable, "-c", program, str(file)], check=False, env=_environment())
    assert done.returncode == -signal.SIGKILL
    assert file.read_bytes() == b"old"


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_atomically(tmp_path / "nowhere" / "a.bin", b"")


def test_sha256(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(range(256)) * 5000)  # more than one piece
    assert sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
