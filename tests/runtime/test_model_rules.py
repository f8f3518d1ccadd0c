# SPDX-License-Identifier: Apache-2.0
"""The rules of model.json: what contradicts itself or asks for too much is one line; both readers agree."""

from pathlib import Path
from typing import Any

import pytest

from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.rules import LIMITS
from fmmp_runtime.bundle.specs import BundleError
from tests.fakes.bundle import copy_bundle
from tests.fakes.lies import LIES, RULES, TRUTHS, tell


def test_the_limits_are_those_of_the_table() -> None:
    assert {name: list(limit) for name, limit in LIMITS.items()} == RULES["limits"]


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_one_line(bundle: Path, tmp_path: Path, lie: dict[str, Any]) -> None:
    told = tell(copy_bundle(bundle, tmp_path / "copy"), lie)
    with pytest.raises(BundleError) as refusal:
        Bundle.open(told)
    message = str(refusal.value)
    assert lie["says"] in message.removeprefix(str(told / "model.json"))
    assert message.isprintable()
    assert len(message) < 1000


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
def test_a_truth_is_taken(bundle: Path, tmp_path: Path, truth: dict[str, Any]) -> None:
    Bundle.open(tell(copy_bundle(bundle, tmp_path / "copy"), truth))
