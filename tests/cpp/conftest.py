# SPDX-License-Identifier: Apache-2.0
"""The C++ runtime, compiled once, and bundles for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cpp.build import Probe, build, environment
from tests.cpp.c_api import Api
from tests.fakes.bundle import write_bundle
from tests.once import make_once


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build folder."""
    return make_once(tmp_path_factory, "cpp", build)


@pytest.fixture(scope="session")
def probe(built: Path) -> Iterator[Probe]:
    probe = Probe(built / "tests" / "cpp" / "fmmp_probe")
    yield probe
    probe.close()


@pytest.fixture(scope="session")
def api(built: Path) -> Api:
    """fmmp.h through ctypes."""
    return Api(built / "libfmmp_runtime.so", environment())


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake network, whose support state is what went into the support graph."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "one-shot")


@pytest.fixture(scope="session")
def three_shot_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "three-shot", shots=3, name="three")
