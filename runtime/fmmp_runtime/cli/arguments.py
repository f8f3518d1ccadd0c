# SPDX-License-Identifier: Apache-2.0
"""Words that the command lines share, each spelled here once, and what they were called before."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fmmp_runtime.cli.command import say


def new_parser(name: str, description: str, **settings: Any) -> argparse.ArgumentParser:  # noqa: ANN401
    """A parser that knows `--version`; `settings` are those of `argparse.ArgumentParser`."""
    parser = argparse.ArgumentParser(prog=name, description=description, **settings)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    return parser


def add_out(
    parser: argparse._ActionsContainer,
    *,
    metavar: str,
    help: str,  # as argparse calls it
    required: bool = False,
    default: Path | None = None,
) -> None:
    """`-o`, `--out`: where the results go."""
    parser.add_argument(
        "-o", "--out", type=Path, metavar=metavar, help=help, required=required, default=default
    )


def add_json(parser: argparse._ActionsContainer, *, help: str) -> None:
    """`--json`: the results for programs."""
    parser.add_argument("--json", type=Path, metavar="FILE", help=help)


def add_device(parser: argparse._ActionsContainer, *, help: str) -> None:
    """`--device`: where torch works."""
    parser.add_argument(
        "--device", default="auto", help=f"{help}: auto (a GPU where there is one), cpu, cuda (default: auto)"
    )


def add_overwrite(parser: argparse._ActionsContainer, *, help: str) -> None:
    """`--overwrite`: nothing is replaced without being asked."""
    parser.add_argument("--overwrite", action="store_true", help=help)


def add_links_from(parser: argparse._ActionsContainer) -> None:
    """`--links-from`: what a skeleton calls its first keypoint."""
    parser.add_argument(
        "--links-from",
        type=int,
        choices=(0, 1),
        help="number of the first keypoint in the links of annotations, where a file leaves it open",
    )


def positive(text: str) -> int:
    """A whole number from 1; anything else is a wrong argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def share(text: str) -> float:
    """A number from 0 to 1; anything else is a wrong argument."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, got {text}")
    return number


def as_now(
    argv: Sequence[str] | None,
    command: str,
    *,
    renamed: Mapping[str, str] | None = None,
    lists: Mapping[str, str] | None = None,
) -> list[str]:
    """The words of a command line as they are spelled now; a line on stderr tells of each former spelling.

    Args:
        argv: the words; None: those of this process.
        command: whose they are.
        renamed: option by what it was called.
        lists: options that take several words, by what stood between their values.
    """
    words: list[str] = []
    separator: str | None = None  # of the list that is being read
    for word in sys.argv[1:] if argv is None else argv:
        option, equals, value = word.partition("=")
        now = (renamed or {}).get(option, option)
        if now != option:
            say(command, f"{option} is called {now} now, and will go with the next release")
        if word.startswith("-") and not word[1:2].isdigit():
            separator = (lists or {}).get(now)
            words.append(now if separator else f"{now}{equals}{value}")
            if not (separator and equals):
                continue
            word = value
        parts = word.split(separator) if separator else [word]
        if len(parts) > 1:
            say(
                command,
                f"{word} is spelled {' '.join(parts)} now, and the former way will go with the next release",
            )
        words += parts
    return words


class _Version(argparse.Action):
    """As argparse's own, which would look the version up for every call."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        print(f"{parser.prog} {version('fmmp')}")
        parser.exit()


def check_places(*files: Path | None) -> None:
    """See that the folders of files to be written are there, before any work is done for them.

    Raises:
        FileNotFoundError: one isn't.
    """
    for file in filter(None, files):
        if not file.absolute().parent.is_dir():
            raise FileNotFoundError(f"{file.parent} is no folder to write {file.name} into: make it first")
