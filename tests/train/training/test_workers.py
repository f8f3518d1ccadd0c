# SPDX-License-Identifier: Apache-2.0
"""Workers that die while they start: the run ends, saved, in one line."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fmmp_runtime.settings import to_json
from fmmp_train.training.run.state import load_state
from tests.train.recipes import tiny

ROOT = Path(__file__).parents[3]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals and scripts are POSIX's")]

# The workers' interpreter is a script that dies; multiprocessing's own helper is started before.
PROGRAM = (
    "import multiprocessing, sys\n"
    "from multiprocessing import resource_tracker\n"
    "resource_tracker.ensure_running()\n"
    "multiprocessing.set_executable(sys.argv.pop(1))\n"
    "from fmmp_train.cli.train import main\n"
    "sys.exit(main())\n"
)


@pytest.mark.parametrize(
    ("dies", "code", "says"),
    [
        ("exit 1", 1, "fmmp-train: a worker died, .* 0 steps are saved"),
        (
            "kill -TERM 0; sleep 9",
            128 + signal.SIGTERM,
            "fmmp-train: stopped after step 0 of 6, nothing is lost",
        ),
    ],
    ids=["no memory", "a scheduler ends the group"],
)
def test_a_worker_that_dies_while_it_starts(tmp_path: Path, dies: str, code: int, says: str) -> None:
    """Its data set is more than a pipe holds: writing it to a worker that never reads would last for ever."""
    interpreter = tmp_path / "python"
    interpreter.write_text(f"#!/bin/sh\n{dies}\n")
    interpreter.chmod(0o755)
    (tmp_path / "recipe.json").write_text(to_json(tiny()))
    out = tmp_path / "run"
    done = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM, str(interpreter), "--preset", str(tmp_path / "recipe.json")),
            *("-o", str(out), "--workers", "1", "--device", "cpu"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    [said] = [line for line in done.stderr.splitlines() if line.startswith("fmmp-train:")]
    assert re.match(says, said), said
    assert "Traceback" not in done.stderr
    assert load_state(out).step == 0
