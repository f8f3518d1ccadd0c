# SPDX-License-Identifier: Apache-2.0
"""Some breaks of the code turn a test red; all of them: `python -m tests.faults.mutants`."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults.breaks import MUTANTS, QUICK
from tests.faults.mutants import RED, ROOT, run

pytestmark = pytest.mark.faults


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_break_is_noticed(name: str) -> None:
    assert run([MUTANTS[name].tests], name) == RED


@pytest.mark.slow
def test_the_plugin_alone_breaks_nothing() -> None:
    assert run([MUTANTS[QUICK[0]].tests], None) == 0


@pytest.mark.parametrize("name", MUTANTS)
def test_what_is_to_be_broken_is_there(name: str) -> None:
    mutant = MUTANTS[name]
    spec = find_spec(mutant.module)
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_text(encoding="utf-8")
    assert mutant.of(text) != text
    compile(mutant.of(text), mutant.module, "exec")
    assert (ROOT / mutant.tests).is_file()
