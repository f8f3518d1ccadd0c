# SPDX-License-Identifier: Apache-2.0
"""What every test shares: one thread, fixed seeds, repeatable property tests."""

import os
import sys

import numpy as np
import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the first import of torch: tests share a few cores
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may fetch weights

# Derandomised, so that a red run is red again; no deadline, since a shared machine stalls.
settings.register_profile("fmmp", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("fmmp")


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Start every test from the same random state, in torch only where the test has imported it."""
    np.random.seed(0)  # noqa: NPY002  # libraries that draw from the global state
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.manual_seed(0)
