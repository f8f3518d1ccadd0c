# SPDX-License-Identifier: Apache-2.0
"""A file is complete or not there."""

import errno
import hashlib
import os
import resource
import signal
import stat
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


def test_permissions_are_the_users(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.bin", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a.bin").stat().st_mode & 0o777 == 0o640


def test_what_is_promised_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content before the name, and the name after the rename; a picture is not waited for."""
    done = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def watched_replace(self: Path, target: Path) -> Path:
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    write_atomically(tmp_path / "a.bin", b"x")
    assert done == ["file", "rename", "folder"]
    write_atomically(tmp_path / "a.png", b"x", durable=False)
    assert done[3:] == ["rename"]


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), b"x")


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        write_atomically(tmp_path / "nowhere" / "a.bin", b"")


def test_sha256(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(range(256)) * 5000)  # more than one piece
    assert sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()
