# SPDX-License-Identifier: Apache-2.0
"""Workers: the same examples whoever makes them, every one another."""

from __future__ import annotations

import hashlib

import pytest

from fmmp_train.data.examples.dataset import Batch
from fmmp_train.training.inputs import Locations, create_mixture
from fmmp_train.training.presets import MixtureConfig
from fmmp_train.training.stream import batches
from tests.train.recipes import tiny

STEPS, BATCH = 6, 3


def draw(*, workers: int, seed: int = 0, start: int = 0) -> list[Batch]:
    mixture = create_mixture(tiny(mixture=MixtureConfig(synthetic=1, self_pairs=1), seed=seed), Locations())
    return list(batches(mixture, batch_size=BATCH, start=start, stop=STEPS, workers=workers))


def digests(stream: list[Batch]) -> list[str]:
    """One for every example, in order."""
    return [
        hashlib.sha256(b"".join(column[row].numpy().tobytes() for column in batch)).hexdigest()
        for batch in stream
        for row in range(BATCH)
    ]


@pytest.fixture(scope="module")
def here() -> list[str]:
    return digests(draw(workers=0))


@pytest.mark.slow
def test_any_number_of_workers_makes_the_same_stream(here: list[str]) -> None:
    assert digests(draw(workers=2)) == here
    assert len(set(here)) == STEPS * BATCH  # no two draw the same


@pytest.mark.slow
def test_a_resumed_stream_goes_on_with_fewer_workers(here: list[str]) -> None:
    assert digests(draw(workers=1, start=4)) == here[4 * BATCH :]


def test_another_seed_is_another_stream(here: list[str]) -> None:
    assert not set(digests(draw(workers=0, seed=1))) & set(here)
