# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and a missing extra end every command in one line."""

import argparse
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from fmmp_runtime.cli.command import command, say

SCRIPTS = dict(
    re.findall(
        r'^(fmmp-\w+) = "(.*):main"$',
        (Path(__file__).parents[2] / "pyproject.toml").read_text(),
        re.MULTILINE,
    )
)
# What brings a command to its first heavy import.
CALLS = {
    "fmmp-export": ("export", "--ckpt some.pth"),
    "fmmp-parity": ("export", "--ckpt some.pth --bundle some"),
    "fmmp-train": ("train", "--preset demo -o some"),
    "fmmp-eval": ("train", "some.pth --data some"),
    "fmmp-data": ("train", "check some"),
    "fmmp-figures": ("train", "attention some.pth --data . -o some.png"),
}
OBJECT = {"category_id": 1, "bbox": [0, 0, 9, 9], "keypoints": [1, 1, 2], "area": 81}
PAIR = {  # fmmp-figures reads data first
    "images": [{"id": i, "file_name": f"{i}.png", "height": 9, "width": 9} for i in (1, 2)],
    "annotations": [{"id": i, "image_id": i, **OBJECT} for i in (1, 2)],
    "categories": [{"id": 1, "name": "dot", "skeleton": []}],
}
HEAVY = ("torch", "torchvision", "timm", "rich", "accelerate", "onnx", "onnxscript", "onnx_ir", "matplotlib")


@pytest.mark.parametrize("script", SCRIPTS)
def test_ctrl_c_is_one_line(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", interrupted)
    with pytest.raises((SystemExit, KeyboardInterrupt)) as left:  # the latter would end pytest itself
        import_module(SCRIPTS[script]).main([])
    assert isinstance(left.value, SystemExit)
    assert left.value.code == 130
    assert capsys.readouterr().err == f"{script}: interrupted\n"


def test_a_strangers_name_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """An escape sequence would clear the screen, and a long name hide what to do."""
    say("fmmp-run", "a \x1b[2J name\n\x07" + "x" * 100_000 + ": rename it")
    said = capsys.readouterr().err
    assert said.startswith(r"fmmp-run: a \x1b[2J name; \x07xxx")
    assert said.endswith("x: rename it\n")
    assert said[:-1].isprintable()
    assert len(said) < 2100


@pytest.mark.parametrize("script", CALLS)
def test_a_missing_extra_is_named(script: str, tmp_path: Path) -> None:
    extra, arguments = CALLS[script]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "val.json").write_text(json.dumps(PAIR))
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({HEAVY}))\n"
        f"from {SCRIPTS[script]} import main; main({arguments.split()})"
    )
    path = os.pathsep.join(str(Path(part).absolute()) for part in sys.path)
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    words = rf"{script}: no package \w+ here: pip install 'fmmp\[{extra}\]'\n"
    assert re.fullmatch(words, answer.stderr), answer.stderr


def test_a_missing_module_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ModuleNotFoundError), command("fmmp-run"):
        import_module("fmmp_runtime.nowhere")
