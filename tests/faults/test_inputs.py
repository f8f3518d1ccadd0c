# SPDX-License-Identifier: Apache-2.0
"""Hostile input is refused in one line or answered: the short part of `python -m tests.faults.long`."""

from __future__ import annotations

import random
import socket
import warnings
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the [train] extra")
pytest.importorskip("starlette", reason="needs the [studio] extra")

from tests.faults.inputs import ATTACKS
from tests.faults.verdict import Attack, Fault, ends_well

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_it_ends_well(attack: Attack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", socket.socket.connect)  # put back what an attack watches
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        strike = attack.prepare(tmp_path)
        taken = 0
        for seed in range(attack.quick):
            try:
                taken += strike(random.Random(f"{attack.name} {seed}"))
            except Fault as fault:
                pytest.fail(f"python -m tests.faults.long --only {attack.name!r} --seed {seed}: {fault}")
    assert taken > 0  # else it is the attack that is broken


def test_what_is_no_good_end() -> None:
    def fails() -> None:
        raise KeyError("a")

    def says_nothing() -> None:
        raise ValueError

    def says_much() -> None:
        raise ValueError("line\n" * 9)

    for wrong in (fails, says_nothing, says_much):
        with pytest.raises(Fault):
            ends_well(wrong)
    assert ends_well(lambda: 3) == 3
