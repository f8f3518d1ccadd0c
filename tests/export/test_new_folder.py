# SPDX-License-Identifier: Apache-2.0
"""A bundle's folder is complete or not there; what killed exports left is removed, and nothing else."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fmmp_export.bundle import new_folder

WRITES = """
import sys, time
from pathlib import Path
from fmmp_export.bundle import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "model.json").write_text("{}")
    print("writing", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def write(path: Path) -> None:
    with new_folder(path) as folder:
        (folder / "model.json").write_text("{}")


@pytest.fixture
def other(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that is in the middle of an export to the same name."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path / "bundle")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


@pytest.mark.slow
def test_what_a_killed_export_left_is_removed_by_the_next(
    tmp_path: Path, other: subprocess.Popen[str]
) -> None:
    write(tmp_path / "bundle")
    assert len(names(tmp_path)) == 2  # the other one still writes
    other.send_signal(signal.SIGKILL)
    other.wait()
    (tmp_path / ".bundle.0a_b1c2d.old").mkdir()  # killed between its two renames
    (tmp_path / ".bundle.of mine.part").mkdir()
    (tmp_path / ".bundle-2.0a_b1c2d.part").mkdir()
    write(tmp_path / "bundle")
    assert names(tmp_path) == [".bundle-2.0a_b1c2d.part", ".bundle.of mine.part", "bundle"]


def test_permissions_are_the_users(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "bundle")
    finally:
        os.umask(before)
    assert (tmp_path / "bundle").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "bundle" / "model.json").stat().st_mode & 0o777 == 0o640


def test_everything_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def watched_fsync(handle: int) -> None:
        done.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def watched_rename(self: Path, target: Path) -> Path:
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "rename", watched_rename)
    write(tmp_path / "bundle")
    assert done[0] == "model.json"
    assert done[2:] == ["rename", tmp_path.name]
