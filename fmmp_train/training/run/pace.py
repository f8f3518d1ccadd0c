# SPDX-License-Identifier: Apache-2.0
"""How fast a run learns, and how much of its time it waits for data."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import NamedTuple, TypeVar

T = TypeVar("T")
_RECENT = 50  # steps


class Speed(NamedTuple):
    """Of some steps, without the validations and savings between them."""

    pairs_per_second: float
    waiting: float  # share of the time in which the data was not there yet


class _Step(NamedTuple):
    pairs: int
    seconds: float
    waited: float  # seconds of these


class Pace:
    """The time that steps took. The first one is left out: workers start and kernels are chosen in it."""

    def __init__(self) -> None:
        self._is_warm = False
        self._all = _Step(0, 0.0, 0.0)
        self._recent: deque[_Step] = deque(maxlen=_RECENT)

    def add(self, pairs: int, *, seconds: float, waited: float) -> None:
        """Note a step of so many pairs, over all processes, and how long it waited for them."""
        if self._is_warm:
            step = _Step(pairs, seconds, waited)
            self._all = _sum((self._all, step))
            self._recent.append(step)
        self._is_warm = True

    @property
    def recent(self) -> Speed | None:
        """Of the last steps; None before the second."""
        return _speed(_sum(self._recent)) if self._recent else None

    @property
    def overall(self) -> Speed | None:
        """Of all steps; None before the second."""
        return _speed(self._all) if self._recent else None


def stopwatch() -> Callable[[], float]:
    """Start a watch; a call of it tells the seconds since."""
    began = perf_counter()
    return lambda: perf_counter() - began


def timed(items: Iterator[T]) -> Iterator[tuple[T, float]]:
    """Pass items on, each with the seconds that it took to come."""
    waiting = stopwatch()
    for item in items:
        yield item, waiting()
        waiting = stopwatch()


def _sum(steps: Iterable[_Step]) -> _Step:
    pairs, seconds, waited = zip(*steps, strict=True)
    return _Step(sum(pairs), sum(seconds), sum(waited))


def _speed(total: _Step) -> Speed:
    seconds = max(total.seconds, 1e-9)  # a clock may be coarse
    return Speed(total.pairs / seconds, total.waited / seconds)
