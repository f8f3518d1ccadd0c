# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM as a polite request, so that a run can save itself first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class StopRequest:
    """Whether a signal asked this process to stop."""

    signal: int | None = None  # its number


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Yield what the first SIGINT or SIGTERM writes its number into; a second one does what it always does.

    Outside the main thread no signal arrives.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        request.signal = number
        signal.signal(number, former[signal.Signals(number)])

    for number in former:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
