# SPDX-License-Identifier: Apache-2.0
"""Kills at random moments; more of them, of training and exports too: `python -m tests.faults.kills`."""

import pytest

from tests.faults.kills import torment

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.mark.parametrize(("name", "kills"), [("video", 3), ("saving", 4)])
def test_nothing_is_ever_half(name: str, kills: int) -> None:
    torment(name, kills, seed=0)
