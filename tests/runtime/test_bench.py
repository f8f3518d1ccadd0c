# SPDX-License-Identifier: Apache-2.0
"""What `fmmp-bench` makes of its measurements. How long they are is no test's business."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime.bench.machine import this_machine
from fmmp_runtime.bench.report import Report, Result, changes
from fmmp_runtime.bench.work import Timing
from fmmp_runtime.cli.bench import main
from tests.fakes.bundle import add_reference, write_bundle

QUICK = ("--frames", "4", "--warmup", "1", "--threads", "1")


def result(median_ms: float, *, batch: int = 1, spread: float = 0.01) -> Result:
    calls = np.random.default_rng(0).normal(median_ms, spread * median_ms, 200)
    return Result(
        bundle="b",
        source="0",
        precision="fp32",
        target="cpu",
        shots=1,
        batch=batch,
        threads=1,
        backend="auto",
        max_px=0.0,
        remember_ms=1.0,
        timing=Timing(backend="x", load_s=0.1, first_ms=1, calls_ms=calls.tolist(), peak_mb=1),
    )


def report(*results: Result) -> Report:
    return Report(machine=this_machine(), results=list(results))


def test_times_are_of_a_frame_not_of_a_call() -> None:
    assert result(80, batch=8).percentile(50) == pytest.approx(10, rel=0.01)
    assert result(80, batch=8).frames_per_second == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize(
    ("before_ms", "now_ms", "verdict"),
    [(20, 10, "faster"), (10, 20, "slower"), (10, 10.2, "same"), (10.2, 10, "same")],
)
def test_verdict(before_ms: float, now_ms: float, verdict: str) -> None:
    (change,) = changes(report(result(before_ms)), report(result(now_ms)))
    assert change.verdict == verdict
    assert change.low <= change.ratio <= change.high
    assert change.ratio == pytest.approx(before_ms / now_ms, rel=0.01)


def test_noise_decides_nothing() -> None:
    few = replace(result(10).timing, calls_ms=[5.0, 6.0, 40.0])
    (change,) = changes(report(replace(result(10), timing=few)), report(result(10)))
    assert change.verdict == "same"


def test_only_the_same_way_is_compared() -> None:
    (change,) = changes(report(result(10), result(80, batch=8)), report(result(80, batch=8)))
    assert "batch=8" in change.key
    with pytest.raises(ValueError, match="nothing to compare"):
        changes(report(result(10)), report(result(10, batch=2)))


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = report(result(10), result(80, batch=8))
    written.save(tmp_path / "r.json")
    assert Report.load(tmp_path / "r.json") == written


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1", "no report of fmmp-bench"),
        ("{}", "no report of fmmp-bench"),
        ("[" * 100_000, "no report of fmmp-bench: .*nested"),
        ('{"results": [], "format": 9}', "has format 9"),
        ('{"results": [], "format": 1, "machine": {"cpu": 1}}', "no report of fmmp-bench"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        Report.load(tmp_path / "r.json")


def test_a_pipe_is_no_report(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.json")
    with pytest.raises(OSError, match="not a regular file"):
        Report.load(tmp_path / "r.json")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "bundle"
    return add_reference(write_bundle(folder, batches=[2]))


@pytest.mark.slow
def test_whole_command(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install matplotlib")
    json_file, picture = tmp_path / "r.json", tmp_path / "r.png"
    assert main([str(bundle), *QUICK, "--json", str(json_file), "--picture", str(picture)]) == 0
    printed = capsys.readouterr()
    assert "comparing with PyTorch's answers" in printed.err
    assert "batch=2" in printed.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = json.loads(json_file.read_text())["results"]
    assert [row["batch"] for row in rows] == [1, 2]
    assert [len(row["timing"]["calls_ms"]) for row in rows] == [4, 2]
    assert all(row["timing"]["peak_mb"] > 10 and row["timing"]["load_s"] > 0 for row in rows)


@pytest.mark.slow
def test_slower_than_the_baseline_ends_with_1(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "baseline.json"
    call = [str(bundle), *QUICK, "--batch", "1"]
    assert main([*call, "--json", str(baseline)]) == 0
    content = json.loads(baseline.read_text())
    content["results"][0]["timing"]["calls_ms"] = [1e-6] * 4
    baseline.write_text(json.dumps(content))
    assert main([*call, "--compare", str(baseline)]) == 1
    assert "slower" in capsys.readouterr().out


def test_wrong_answers_are_not_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = add_reference(write_bundle(tmp_path / "wrong"), off_by=0.01)
    with pytest.raises(SystemExit) as stop:
        main([str(wrong), *QUICK])
    assert stop.value.code == 1
    printed = capsys.readouterr()
    assert "not timed" in printed.err
    assert "timing 4 frames" not in printed.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "5"], "has graphs for 1, 2 frame(s) at once, not for 5: fmmp-export --batch 5"),
        (["--compare", "missing.json"], "missing.json"),
        (["--json", "no/such/folder.json"], "no/such is no folder"),
        (["--picture", "picture.txt"], "picture.txt must end with the name of a format"),
    ],
)
def test_what_the_user_can_mend(
    bundle: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(bundle), *QUICK, *options])
    assert stop.value.code == 1
    assert message in capsys.readouterr().err


def test_a_bundle_without_answers_is_not_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(write_bundle(tmp_path / "old")), *QUICK])
    assert stop.value.code == 1
    assert "export it again" in capsys.readouterr().err


def test_wrong_arguments_end_with_2(bundle: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(bundle), "--frames", "0"])
    assert stop.value.code == 2
