# SPDX-License-Identifier: Apache-2.0
"""How every command ends after Ctrl-C, or where a part of the installation is missing: in one line."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def command(name: str, extra: str | None = None) -> Iterator[None]:
    """Decorate the `main` of a command: no traceback for what is no fault of the program.

    Ctrl-C ends with 130, as a shell expects; a missing package with 1, and with what to install. Heavy
    packages must therefore be imported inside of `main`.

    Args:
        name: of the command.
        extra: of the package `fmmp`, which has all that the command imports; None: no extra is needed.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write(f"{name}: interrupted\n")
        raise SystemExit(128 + signal.SIGINT) from None
    except ModuleNotFoundError as error:
        package = (error.name or "fmmp").partition(".")[0]
        if package.startswith("fmmp"):  # ours: a fault of the program
            raise
        wanted = f"'fmmp[{extra}]'" if extra else "fmmp"
        sys.stderr.write(f"{name}: no package {package} here: pip install {wanted}\n")
        raise SystemExit(1) from None
