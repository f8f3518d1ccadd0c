# SPDX-License-Identifier: Apache-2.0
"""One word for one thing in all commands, a version, and one way to end."""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from fmmp_runtime.cli.arguments import as_now

ROOT = Path(__file__).parents[2]
ROOMS = ("runtime/fmmp_runtime/cli", "fmmp_train/cli", "fmmp_export/cli")
# A file of these rooms with a `main` is a command; "fmmp_train.cli.eval" -> its folder.
COMMANDS = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removeprefix("runtime.")
    for room in ROOMS
    for file in sorted((ROOT / room).glob("*.py"))
    if "def main(" in file.read_text(encoding="utf-8")
]
SAME = {  # option -> what its help must say, and what it must not be called
    "--out": "-o OUT|-o DIR|-o FILE|-o RUN",
    "--json": r"--json \[?FILE",
    "--device": r"auto .*cpu, cuda",
}
FORMER = ("--output", "--outdir", "--output-dir", "--gpu", "--verbose-json", "--num-threads")


def main_of(module: str) -> Callable[[list[str]], int]:
    main: Callable[[list[str]], int] = import_module(module).main
    return main


def parsers(module: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[argparse.ArgumentParser]:
    """The parser of a command, and those of its parts."""
    seen: list[argparse.ArgumentParser] = []

    def catch(self: argparse.ArgumentParser, *_: object) -> None:
        seen.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", catch)
    with pytest.raises(SystemExit) as left:
        main_of(module)([])
    assert left.value.code == 130  # by the decorator
    [parser] = seen
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


@pytest.mark.parametrize("module", COMMANDS)
def test_words_are_the_same_everywhere(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for parser in parsers(module, monkeypatch):
        options = {option: action for action in parser._actions for option in action.option_strings}
        assert not options.keys() & set(FORMER)
        text = " ".join(parser.format_help().split())
        for option, pattern in SAME.items():
            if option in options:
                assert re.search(pattern, text), f"{parser.prog} spells {option} in its own way"
        if "--out" in options:
            assert options["-o"] is options["--out"]


@pytest.mark.slow
@pytest.mark.parametrize("module", ["demo", "against_eager"])
def test_former_modules_lead_to_their_commands(module: str) -> None:
    words = [sys.executable, "-m", f"fmmp_export.{module}", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"python -m fmmp_export.cli.{module} ")
    assert done.stderr.count("\n") == 1
    assert "next release" in done.stderr


@pytest.mark.parametrize("module", COMMANDS)
def test_every_command_has_a_version(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main_of(module)(["--version"])
    assert left.value.code == 0
    assert re.fullmatch(r"\S.* \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize("error", [OSError(2, "No such file"), ValueError("bad\nlines")], ids=["os", "value"])
def test_what_a_user_can_mend_is_one_line(
    module: str, error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", fail)
    with pytest.raises(SystemExit) as left:
        main_of(module)([])
    assert left.value.code == 1
    assert re.fullmatch(r"[\w-]+: (\[Errno 2\] No such file|bad; lines)\n", capsys.readouterr().err)


def test_all_commands_are_in_the_rooms() -> None:
    """One spelling of a command's file: no other module of ours parses arguments."""
    others = [
        str(file.relative_to(ROOT))
        for package in ("runtime/fmmp_runtime", "fmmp_train", "fmmp_export")
        for file in (ROOT / package).rglob("*.py")
        if file.parent.name != "cli"
        and re.search(r"^import argparse", file.read_text(encoding="utf-8"), re.M)
    ]
    assert others == []


def test_former_spellings_are_understood_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--output",
        "x",
        "--output=y",
        "--ids",
        "1,2",
        "3",
        "--ids=4,5",
        "--name",
        "a,b",
        "-o",
        "c,d",
        "-1",
    ]
    now = as_now(words, "fmmp-some", renamed={"--output": "--out"}, lists={"--ids": ","})
    assert now == [
        *(
            "--out",
            "x",
            "--out=y",
            "--ids",
            "1",
            "2",
            "3",
            "--ids",
            "4",
            "5",
            "--name",
            "a,b",
            "-o",
            "c,d",
            "-1",
        )
    ]
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "fmmp-some: --output is called --out now, and will go with the next release"
    assert said[2] == "fmmp-some: 1,2 is spelled 1 2 now, and the former way will go with the next release"
    assert len(said) == 4
    assert as_now(["--out", "x", "--ids", "1", "2"], "fmmp-some", lists={"--ids": ","})[-1] == "2"
    assert capsys.readouterr().err == ""


def test_docstrings_say_it() -> None:
    """What a function does is said where it stands, not only where another one is."""
    sources = [
        file for room in ("fmmp_train", "fmmp_export", "runtime") for file in (ROOT / room).rglob("*.py")
    ]
    lazy = [str(file) for file in sources if '"""As `' in file.read_text(encoding="utf-8")]
    assert not lazy
