# SPDX-License-Identifier: Apache-2.0
"""How hostile input may end: taken and right, or refused in one line. Everything else is a fault."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Strike = Callable[[random.Random], bool]  # one input, drawn; whether it was taken

MOST_LINES = 3  # a stranger's name may hold some; the commands join them


class Fault(AssertionError):
    """An input that did harm: an error nobody expects, or an answer that is wrong in silence."""


@dataclass(frozen=True)
class Attack:
    """A kind of input; `prepare` gets a folder of its own."""

    name: str
    prepare: Callable[[Path], Strike]
    quick: int  # inputs that the short part takes


def ends_well(work: Callable[[], T], *also: type[Exception]) -> T | None:
    """What `work` gives; None where it refuses, in one line, as the commands say it.

    Args:
        work: the call.
        also: exceptions that are refusals here too.

    Raises:
        Fault: any other exception, or a refusal of many lines or of none.
    """
    refusals: tuple[type[Exception], ...] = (ValueError, OSError, *also)
    try:
        return work()
    except refusals as error:
        words = str(error)
        if not words.strip() or (len(words.splitlines()) > MOST_LINES and not also):
            raise Fault(f"a refusal that is no line: {type(error).__name__} {words[:300]!r}") from error
        return None
    except Exception as error:
        raise Fault(f"{type(error).__name__}: {str(error)[:300]}") from error


def holds(fact: bool, what: str) -> None:
    """Raise `Fault` where an oracle disagrees."""
    if not fact:
        raise Fault(what)
