# SPDX-License-Identifier: Apache-2.0
"""The comparison with eager torch: what it makes of its times, and that both sides run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fmmp_export.against_eager import WAYS, Outcome, table
from fmmp_export.cli.against_eager import main
from fmmp_export.export import Export
from fmmp_runtime.bench.machine import this_machine


@pytest.mark.parametrize(("ratio", "verdict"), [(4.9, "missed"), (5.1, "gate"), (8.1, "goal")])
def test_verdict(ratio: float, verdict: str) -> None:
    outcome = Outcome(way=WAYS[0], eager_ms=[10 * ratio, 20 * ratio, 1], bundle_ms=[10, 20, 100])
    assert outcome.ratio == pytest.approx(ratio)  # of each round: one that was disturbed decides nothing
    assert outcome.verdict == verdict
    assert f"| **{ratio:.1f}** |" in table([outcome], this_machine(), "fp32")


def test_both_sides_run(checkpoint: Path, cpu_export: Export) -> None:
    files = [str(checkpoint), str(cpu_export.path)]
    for side, graph in (("eager", "query"), ("bundle", "query"), ("bundle", "pair")):
        words = [sys.executable, "-m", "fmmp_export.against_eager", side, *files, graph, "1", "1"]
        assert float(subprocess.run(words, capture_output=True, check=True).stdout) > 0


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--ckpt", str(tmp_path / "none.pth")])
    assert stop.value.code == 1
    assert "no checkpoint at" in capsys.readouterr().err
