# SPDX-License-Identifier: Apache-2.0
"""What may happen to a run in the middle: kills, workers that die, data that changes. Nothing is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch

from fmmp_runtime.settings import to_json
from fmmp_train.checkpoint.files import load_model
from fmmp_train.data import DataError
from fmmp_train.training.inputs import Locations
from fmmp_train.training.presets import MixtureConfig, TrainConfig
from fmmp_train.training.run.journal import LOG_FILE, read_journal
from fmmp_train.training.run.state import STATE_FILE, load_state
from fmmp_train.training.train import BEST_FILE, MODEL_FILE, Progress, resume, start
from tests.train.recipes import tiny

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="signals and forked processes are POSIX's"),
]


def recipe() -> TrainConfig:
    return tiny(mixture=MixtureConfig(photographs=1, self_pairs=1), steps=24, save_every=3, eval_every=6)


def same_runs(run: Path, other: Path) -> None:
    """To the last bit."""
    for group in ("train", "val"):
        assert read_journal(run, group) == read_journal(other, group)
    for name in (MODEL_FILE, BEST_FILE):
        ours, theirs = (load_model(folder / name).state_dict() for folder in (run, other))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def train(out: Path, data: Path) -> None:
    """Start or go on."""
    if (out / STATE_FILE).exists():
        resume(out, device="cpu")
    else:
        start(recipe(), Locations(data=str(data)), out, device="cpu")


def train_and_die(out: Path, data: Path, name: str, number: int, *, is_done: bool) -> None:
    """Train and be killed when file `name` is put in place for the `number`th time, just before or after."""
    rename, count = Path.replace, 0

    def deadly(self: Path, target: Path) -> Path:
        nonlocal count
        count += target.name == name
        for is_past in (False, True):
            if is_past:
                rename(self, target)
            if target.name == name and count == number and is_past == is_done:
                os.kill(os.getpid(), signal.SIGKILL)
        return target

    Path.replace = deadly  # type: ignore[method-assign, assignment]  # this process has no other purpose
    train(out, data)


@pytest.fixture(scope="module")
def child() -> Callable[..., BaseProcess]:
    """Call a function in a process that is forked where torch has been imported but not used."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [__name__, "tests.train.training.test_interruptions", "fmmp_train.training.train"]
    )

    def begin(function: Callable[..., None], *args: object, **options: object) -> BaseProcess:
        process = context.Process(target=function, args=args, kwargs=options)
        process.start()
        return process

    return begin


@pytest.fixture(scope="module")
def whole_run(
    child: Callable[..., BaseProcess], tmp_path_factory: pytest.TempPathFactory, data_folder: Path
) -> Path:
    out = tmp_path_factory.mktemp("whole")
    process = child(train, out, data_folder)
    process.join()
    assert process.exitcode == 0
    return out


def test_kills_at_any_moment_leave_no_trace(
    child: Callable[..., BaseProcess], whole_run: Path, tmp_path: Path, data_folder: Path
) -> None:
    rng = np.random.default_rng(0)
    log = tmp_path / LOG_FILE
    for _ in range(5):
        process = child(train, tmp_path, data_folder)
        before = log.stat().st_mtime_ns if log.exists() else 0
        while process.is_alive() and (not log.exists() or log.stat().st_mtime_ns == before):
            process.join(0.01)
        process.join(rng.uniform(0, 0.4))  # anything may be going on now
        process.kill()
        process.join()
    process = child(train, tmp_path, data_folder)
    process.join()
    assert process.exitcode == 0
    same_runs(tmp_path, whole_run)


def test_kills_while_files_are_written_leave_no_trace(
    child: Callable[..., BaseProcess], whole_run: Path, tmp_path: Path, data_folder: Path
) -> None:
    moments = [
        (STATE_FILE, 1, False),  # nothing is saved yet
        (STATE_FILE, 1, True),  # after step 3
        (BEST_FILE, 1, True),  # of step 6, which is not saved yet
        (STATE_FILE, 2, False),  # of step 9
        (MODEL_FILE, 6, True),  # the last weights, whose state is not saved yet
        (STATE_FILE, 1, True),  # of the last step
        (MODEL_FILE, 1, False),  # the calibrated ones
    ]
    for name, number, is_done in moments:
        process = child(train_and_die, tmp_path, data_folder, name, number, is_done=is_done)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    process = child(train, tmp_path, data_folder)
    process.join()
    same_runs(tmp_path, whole_run)


class Dead(Exception):
    """The run ended here."""


def test_a_worker_that_dies_costs_no_step(tmp_path: Path) -> None:
    def kill_worker(progress: Progress) -> None:
        if progress.step == 3:
            [worker] = multiprocessing.active_children()
            worker.kill()

    config = tiny(steps=8, save_every=100)
    start(config, Locations(), tmp_path / "whole", device="cpu")
    out = tmp_path / "run"
    with pytest.raises(ChildProcessError, match=r"a worker died, .*\)\. \d steps are saved"):
        start(config, Locations(), out, device="cpu", workers=1, on_progress=kill_worker)
    done = len(read_journal(out, "train"))
    assert 3 <= done < 8  # what it had made ahead was still learnt
    assert load_state(out).step == done
    resume(out, device="cpu")
    assert read_journal(out, "train") == read_journal(tmp_path / "whole", "train")


@pytest.mark.parametrize("request_", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_stop_that_reaches_the_workers_too(tmp_path: Path, request_: signal.Signals) -> None:
    """As Ctrl-C does, and a cluster's scheduler."""
    (tmp_path / "recipe.json").write_text(to_json(tiny(steps=100_000, save_every=100_000)))
    out = tmp_path / "run"
    command = [sys.executable, "-m", "fmmp_train.cli.train", "--preset", str(tmp_path / "recipe.json")]
    process = subprocess.Popen(
        [*command, "-o", str(out), "--workers", "1", "--device", "cpu"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    while process.poll() is None and not (out.exists() and read_journal(out, "train")):
        time.sleep(0.05)
    os.killpg(process.pid, request_)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + request_
    steps = load_state(out).step
    assert f"fmmp-train: stopped after step {steps} of 100000, nothing is lost" in error
    assert len(read_journal(out, "train")) == steps


@pytest.fixture
def folder(tmp_path: Path, data_folder: Path) -> Path:
    """Annotated photographs that a test may spoil."""
    return Path(shutil.copytree(data_folder, tmp_path / "data"))


def stopped_run(out: Path, data: Path) -> None:
    """Three steps, the first two of them saved."""

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            raise Dead

    config = tiny(mixture=MixtureConfig(photographs=1, self_pairs=1))
    with pytest.raises(Dead):
        start(config, Locations(data=str(data)), out, device="cpu", on_progress=stop)


def test_an_image_that_changes_under_a_run(tmp_path: Path, folder: Path) -> None:
    image = folder / "images" / "101.png"
    whole = image.read_bytes()

    def spoil(progress: Progress) -> None:
        if progress.step == 3:
            image.write_bytes(whole + b" ")

    config, out = tiny(mixture=MixtureConfig(photographs=1)), tmp_path / "run"
    with pytest.raises(DataError, match=r"101\.png changed under the run: put it back"):
        start(config, Locations(data=str(folder)), out, device="cpu", on_progress=spoil)
    assert load_state(out).step == 2
    with pytest.raises(DataError, match=r"data changed since the run was started \(images\): put it back"):
        resume(out, device="cpu")
    image.write_bytes(whole)
    start(config, Locations(data=str(folder)), tmp_path / "whole", device="cpu")
    resume(out, device="cpu")
    same_runs(out, tmp_path / "whole")


def test_missing_images_are_named_before_the_first_step(tmp_path: Path, folder: Path) -> None:
    (folder / "images" / "101.png").unlink()
    config = tiny(mixture=MixtureConfig(photographs=1))
    with pytest.raises(DataError, match=r"1 of 10 images that are asked for are missing: .*101\.png"):
        start(config, Locations(data=str(folder)), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_other_annotations_are_refused_unless_allowed(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "run"
    stopped_run(out, folder)
    state = (out / STATE_FILE).read_bytes()
    file = folder / "annotations" / "train.json"
    content = json.loads(file.read_text())
    content["annotations"][0]["keypoints"][0] += 1
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"started \(annotations to learn from\): .*--changed-data"):
        resume(out, device="cpu")
    assert (out / STATE_FILE).read_bytes() == state
    assert resume(out, changed_data=True, device="cpu").is_finished


def test_data_that_has_moved_is_the_same_data(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "run"
    stopped_run(out, folder)
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(DataError, match="data is not a folder"):
        resume(out, device="cpu")
    assert resume(out, data=str(moved), device="cpu").is_finished
