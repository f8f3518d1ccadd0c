# SPDX-License-Identifier: Apache-2.0
"""`fmmp-export`: exit codes, clear lines, and nothing lost."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from fmmp_export import bundle
from fmmp_export import export as export_module
from fmmp_export.cli import export as cli
from fmmp_export.export import Export
from fmmp_export.graph import writer
from tests.export.conftest import SHOTS
from tests.export.test_export import load_graphs


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, float_export: Export) -> None:
    """Graphs that were traced already."""
    monkeypatch.setattr(export_module, "build_graphs", lambda *_, **__: load_graphs(float_export))


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    assert exit_info.value.code == code
    error = capsys.readouterr().err
    if code == 1:
        assert error.startswith("fmmp-export: ")
        assert error.count("\n") == 1
    return error


@pytest.mark.usefixtures("quick")
def test_writes_a_bundle_and_says_how_good_it_is(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "bundle"
    assert cli.main(["--ckpt", str(checkpoint), "--out", str(out), "--shots", str(SHOTS)]) == 0
    assert "max" in capsys.readouterr().out
    assert sorted(file.name for file in out.iterdir()) == [
        "model.json", "pair.onnx", "query.onnx", "query_batch3.onnx", "reference.safetensors", "search.onnx",
        "support.onnx", "template.onnx", "weights.bin",
    ]  # fmt: skip
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]


@pytest.mark.usefixtures("quick")
def test_folder_is_named_after_the_checkpoint(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["--ckpt", str(checkpoint), "--shots", str(SHOTS)]) == 0
    assert (tmp_path / "small-fp32" / "model.json").is_file()


def test_missing_and_broken_checkpoints(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert "nothing.pth" in refused(["--ckpt", str(tmp_path / "nothing.pth"), *out], capsys)
    for name in ("cut.safetensors", "cut.pth"):
        broken = tmp_path / name
        broken.write_bytes(checkpoint.read_bytes()[:1000])
        assert name in refused(["--ckpt", str(broken), *out], capsys)
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_hold_a_bundle(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    start = ["--ckpt", str(checkpoint), "--out"]
    assert "is a file" in refused([*start, str(file)], capsys)
    assert "other files and no bundle" in refused([*start, str(folder)], capsys)
    (folder / "model.json").touch()
    assert "is a bundle already: choose another --out, or say --overwrite" in refused(
        [*start, str(folder)], capsys
    )
    assert "is a bundle with notes.txt in it" in refused([*start, str(folder), "--overwrite"], capsys)
    assert file.read_text() == (folder / "notes.txt").read_text() == "mine"


def test_a_link_to_a_bundle_stays_one(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with bundle.new_folder(tmp_path / "link") as folder:
            (folder / "model.json").write_text(name)
        if name == "first":
            (tmp_path / "link").rename(tmp_path / "real")
            (tmp_path / "link").symlink_to(tmp_path / "real")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "model.json").read_text() == "second"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


@pytest.mark.usefixtures("quick")
def test_a_place_that_cannot_be_written(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / "below"  # also for root, whom no permission stops
    assert "cannot write" in refused(["--ckpt", str(checkpoint), "--out", str(out)], capsys)


@pytest.mark.usefixtures("quick")
def test_a_full_disk_leaves_the_old_bundle_and_no_rest(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--ckpt", str(checkpoint), "--out", str(tmp_path / "bundle"), "--shots", str(SHOTS)]
    cli.main(arguments)
    before = {file.name: file.read_bytes() for file in (tmp_path / "bundle").iterdir()}

    def full(_: object, folder: Path) -> None:
        (folder / "weights.bin").write_bytes(b"some")
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "weights.bin"))

    monkeypatch.setattr(writer, "write", full)
    capsys.readouterr()
    assert "is a bundle already" in refused(arguments, capsys)
    assert "No space left" in refused([*arguments, "--overwrite"], capsys)
    assert {file.name: file.read_bytes() for file in (tmp_path / "bundle").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_an_interrupted_export_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with bundle.new_folder(tmp_path / "bundle") as folder:
            (folder / "weights.bin").write_bytes(b"some")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_installation_for_running_alone_says_what_it_lacks() -> None:
    code = (
        "import sys; sys.modules['onnx_ir'] = None\n"
        "from fmmp_export.cli.export import main; main(['--ckpt', 'some.pth'])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr == "fmmp-export: no package onnx_ir here: pip install 'fmmp[export]'\n"


def test_data_that_is_not_there(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--ckpt", str(checkpoint), "--out", str(tmp_path / "out"), "--data", str(tmp_path / "no")]
    assert "annotations" in refused(arguments, capsys)


@pytest.mark.parametrize(
    ("options", "target", "batches"),
    [
        ([], "cpu", []),
        (["--fp16"], "gpu", []),
        (["--msda", "standard"], "gpu", []),
        (["--target", "gpu", "--batch", "8", "1", "4", "8"], "gpu", [4, 8]),
    ],
)
def test_what_a_bundle_is_ordered_for(
    options: list[str],
    target: str,
    batches: list[int],
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    asked: dict[str, object] = {}

    def stop(*_: object, **settings: object) -> None:
        asked.update(settings)
        raise ValueError("seen")

    monkeypatch.setattr(export_module, "export_bundle", stop)
    with pytest.raises(SystemExit):
        cli.main(["--ckpt", str(checkpoint), "--out", str(tmp_path / "out"), *options])
    assert (asked["target"], asked["batches"]) == (target, batches)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--ckpt", "x", "--shots", "0"],
        ["--ckpt", "x", "--msda", "y"],
        ["--ckpt", "x", "--target", "cpu", "--msda", "nvidia"],
        ["--ckpt", "x", "--target", "cpu", "--backend", "tensorrt"],
        ["--bundle", "x", "--backend", "tensorrt", "--batch", "8"],
        ["--bundle", "x", "--backend", "tensorrt", "--shots", "5"],
        ["--bundle", "x", "--backend", "tensorrt", "--msda", "nvidia"],
    ],
)
def test_wrong_arguments_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "usage: fmmp-export" in refused(arguments, capsys, code=2)
