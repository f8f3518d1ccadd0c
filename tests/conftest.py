# SPDX-License-Identifier: Apache-2.0
"""What every test shares: one thread, fixed seeds, repeatable property tests."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.once import make_once

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the first import of torch: tests share a few cores
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may fetch weights

# Derandomised, so that a red run is red again; no deadline, since a shared machine stalls.
settings.register_profile("fmmp", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("fmmp")


# Fixtures that export, compile or take a library apart: a test that asks for one of them is slow.
_SLOW_FIXTURES = {
    *("recorded", "recorded_cpu", "float_export", "half_export", "cpu_export", "cpu_half_export"),
    *("built", "cpu_program", "demo_bundle", "kernels"),
}


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by what it asks for."""
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        if "request" in asked and hasattr(item, "callspec"):  # by name, through getfixturevalue
            asked |= {str(value) for value in item.callspec.params.values()}
        if _SLOW_FIXTURES & asked:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Start every test from the same random state, in torch only where the test has imported it."""
    np.random.seed(0)  # noqa: NPY002  # libraries that draw from the global state
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def demo_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model in half precision, exported once for all who look at it."""
    pytest.importorskip("torch", reason="needs the [train,export] extras")
    from fmmp_export.demo import MODELS, find_checkpoint
    from fmmp_export.export import export_bundle

    if not (MODELS / "manifest.json").is_file():
        pytest.skip("no models/ in this source tree")
    checkpoint = find_checkpoint(MODELS)
    return make_once(
        tmp_path_factory, "demo-fp16", lambda folder: export_bundle(checkpoint, folder, precision="fp16")
    )
