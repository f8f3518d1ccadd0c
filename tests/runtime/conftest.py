# SPDX-License-Identifier: Apache-2.0
"""Bundles with a fake network, written once."""

from pathlib import Path

import pytest

from tests.fakes.bundle import write_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "one-shot")


@pytest.fixture(scope="session")
def three_shot_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "three-shot", shots=3, name="three")
