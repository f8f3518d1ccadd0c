# SPDX-License-Identifier: Apache-2.0
"""The skin of every command: when it can't go on it says why in one line, and ends with the right code."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MOST_SAID = 2000  # characters of a line


@contextmanager
def command(name: str, extra: str | None = None) -> Iterator[None]:
    """Decorate the `main` of a command: no traceback for what is no fault of the program.

    What the user can mend (`OSError`, `ValueError`) ends with 1, as does a missing package, with what to
    install; Ctrl-C with 130, as a shell expects. Heavy packages must therefore be imported inside of `main`.

    Args:
        name: of the command, which every line begins with.
        extra: of the package `fmmp`, which has all that the command imports; None: no extra is needed.
    """
    _open_closed_streams()
    try:
        yield
    except KeyboardInterrupt:
        raise _end(name, "interrupted", 128 + signal.SIGINT) from None
    except ModuleNotFoundError as error:
        package = (error.name or "fmmp").partition(".")[0]
        if package.startswith("fmmp"):  # ours: a fault of the program
            raise
        wanted = f"'fmmp[{extra}]'" if extra else "fmmp"
        raise _end(name, f"no package {package} here: pip install {wanted}", 1) from None
    except (OSError, ValueError) as error:
        raise _end(name, str(error) or type(error).__name__, 1) from None


def say(name: str, text: str) -> None:
    """One line of a command to stderr, where all goes that is no result.

    A stranger's name in it is shown, but nothing that a terminal would obey, and not without end.
    """
    line = "; ".join(text.strip().splitlines())
    if len(line) > MOST_SAID:
        line = f"{line[: MOST_SAID // 2]} … {line[-MOST_SAID // 2 :]}"  # what to do stands at the end
    shown = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in line)
    sys.stderr.write(f"{name}: {shown}\n")


def _end(name: str, text: str, code: int) -> SystemExit:
    say(name, text)
    return SystemExit(code)


def _open_closed_streams() -> None:
    """Lead streams that were closed at the start, as a daemon's are, to nowhere.

    The next file that is opened would get the number of a closed one, and what libraries in C write to
    stderr would go into a result.
    """
    for stream, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, stream) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, stream, os.fdopen(nowhere, mode, encoding="utf-8"))
