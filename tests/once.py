# SPDX-License-Identifier: Apache-2.0
"""What takes long is made once for all test processes: the first one makes it, the others wait for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name`, which `make` has filled; one for all workers of pytest-xdist.

    A `make` that skips or fails is tried again by the next who asks.
    """
    base = factory.getbasetemp()
    if base.name.startswith("popen-"):  # of a worker
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with FileLock(base / f"{name}.lock"):
        if not done.exists():
            make(folder)
            done.touch()
    return folder
