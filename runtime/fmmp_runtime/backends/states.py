# SPDX-License-Identifier: Apache-2.0
"""What a backend makes of support states and keeps while these live."""

import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from fmmp_runtime.support_state import SupportState

T = TypeVar("T")
States = tuple[SupportState, ...]


class StateCache(Generic[T]):
    """One value for each group of states, which goes when one of these dies, or when others come.

    A value is released by the next `get`, on that thread: a state may die on any thread, in the middle of
    anything, and device memory can't be given back there.
    """

    def __init__(
        self, make: Callable[[States], T], size: int, release: Callable[[T], None] | None = None
    ) -> None:
        """Start empty.

        Args:
            make: the value for a group of states.
            size: the most groups that are kept; the longest unused goes first.
            release: is called with each value that goes.
        """
        self._make, self._size, self._release = make, size, release
        self._values: dict[tuple[int, ...], tuple[tuple[weakref.ref[SupportState], ...], T]] = {}
        self._dead: deque[tuple[int, ...]] = deque()  # groups of which a state has died
        self._lock = threading.Lock()

    def get(self, states: States) -> T:
        """The value for these states, in this order."""
        with self._lock:
            while self._dead:
                self._drop(self._dead.popleft())
            key = tuple(map(id, states))  # an id comes again only after its first owner is among the dead
            entry = self._values.pop(key, None) or self._entry(key, states)
            self._values[key] = entry  # the newest is last
            while len(self._values) > self._size:
                self._drop(next(iter(self._values)))
            return entry[1]

    def _entry(self, key: tuple[int, ...], states: States) -> tuple[tuple[weakref.ref[SupportState], ...], T]:
        value, dead = self._make(states), self._dead
        return tuple(weakref.ref(state, lambda _: dead.append(key)) for state in states), value

    def _drop(self, key: tuple[int, ...]) -> None:
        entry = self._values.pop(key, None)
        if entry is not None and self._release is not None:
            self._release(entry[1])
