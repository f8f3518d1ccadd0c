# SPDX-License-Identifier: Apache-2.0
"""Every command, import and link of the pages holds: commands are parsed by the programs they name, not run.

`make test` and `make demo` run for themselves.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import re
import shlex
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").glob("*.md"))
)
SCRIPTS = {
    script.name: script
    for script in entry_points(group="console_scripts")
    if script.dist is not None and script.dist.name == "fmmp"
}
SHELL = ("sh", "bash", "shell", "console")
ELSEWHERE = (
    "cd",
    "git",
    "pip",
    "export",
    "source",
    "apt-get",
    "openssl",
    "sudo",
    "trtexec",
    "torchrun",
    "accelerate",
    "cmake",
    "npm",
    "fmmp_locate",
)  # not ours to judge


class Parsed(Exception):  # a signal, not a fault
    """The arguments are right; stop before the work."""


def blocks(*languages: str) -> Iterator[str]:
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for language, body in re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            if language in languages:
                yield body


def commands() -> Iterator[list[str]]:
    """The words of every command of every shell block; output, prompts and comments left out."""
    for block in blocks(*SHELL):
        prompts = "$ " in block
        for line in block.replace("\\\n", " ").splitlines():
            if prompts and not line.startswith("$ "):
                continue  # what a command printed
            for part in re.split(r"&&|\|(?!\|)|;", re.sub(r"(^|\s)#.*", "", line.removeprefix("$ "))):
                words = shlex.split(part) if "..." not in part else []
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words = words[1:]
                if words:
                    yield words


@pytest.mark.parametrize(
    "words", [list(each) for each in dict.fromkeys(map(tuple, commands()))], ids=" ".join
)
def test_command_is_understood(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program = Path(words[0]).name
    if program == "make":
        subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
    elif program in SCRIPTS:
        parse = argparse.ArgumentParser.parse_args

        def stop(self: argparse.ArgumentParser, *args: object, **kwargs: object) -> None:
            parse(self, *args, **kwargs)
            raise Parsed

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
        main = SCRIPTS[program].load()
        with pytest.raises(Parsed):
            main(words[1:])
    elif program.startswith("python") and words[1:2] == ["-m"]:
        assert importlib.util.find_spec(words[2]), f"no module {words[2]}"
    else:
        assert program in ELSEWHERE, f"a page names {program!r}, which this test does not know"


@pytest.mark.parametrize("code", list(blocks("python")))
def test_python_imports_what_exists(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
        elif isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", (ROOT / page).read_text(encoding="utf-8"))
    files = [target for target in targets if not target.startswith(("http:", "https:", "mailto:"))]
    assert [file for file in files if not ((ROOT / page).parent / file).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_on_mp100_name_what_it_needs(page: str) -> None:
    """MP-100 has no split called train, val or test, and the paper's recipes start from ImageNet weights."""
    for line in (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if "..." not in line and "--data mp100" in line:
            assert re.search(r"split[1-5]_", line), line
        if "..." not in line and re.match(r"(fmmp-|python -m |torchrun ).*--preset (released|table)", line):
            assert "--backbone-weights" in line
