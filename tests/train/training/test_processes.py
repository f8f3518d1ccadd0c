# SPDX-License-Identifier: Apache-2.0
"""Runs that several processes share, as torchrun and accelerate start them, on this machine's CPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from fmmp_runtime.settings import to_json
from fmmp_train.model import Network
from fmmp_train.training.inputs import Locations, create_mixture
from fmmp_train.training.presets import LossConfig, TrainConfig
from fmmp_train.training.run.journal import LOG_FILE, read_journal
from fmmp_train.training.run.state import STATE_FILE, load_state
from fmmp_train.training.step import TrainStep
from fmmp_train.training.stream import batches
from fmmp_train.training.train import MODEL_FILE, resume, start
from tests.train.recipes import tiny

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
        reason="this torch has no gloo, through which processes on a CPU talk",
    ),
]


def recipe() -> TrainConfig:
    """Each of two processes does its two pairs of a step one after the other."""
    return tiny(batch_size=4, accumulate=2, steps=4)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone")
    start(recipe(), Locations(), out, device="cpu")
    return out


def launch(launcher: list[str], config: TrainConfig, out: Path) -> subprocess.Popen[str]:
    file = out.with_suffix(".json")
    file.write_text(to_json(config))
    command = [sys.executable, "-m", *launcher, "-m", "fmmp_train.cli.train", "--preset", str(file)]
    return subprocess.Popen(
        [*command, "-o", str(out), "--device", "cpu", "--workers", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
    )


def the_same_run(out: Path, alone: Path) -> None:
    """Equal up to float32 sums in another order, through four steps."""
    names = ("loss", "raw", "padded", "match")
    ours, theirs = (
        [[row[name] for name in names] for row in read_journal(run, "train")] for run in (out, alone)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    mine, other = load_state(out), load_state(alone)
    for name, tensor in other.network.items():  # Adam divides by the gradient: a tiny one's rounding shows
        torch.testing.assert_close(mine.network[name], tensor, rtol=0, atol=1e-3)


def test_two_processes_are_one_run(tmp_path: Path, alone: Path) -> None:
    launcher = ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]  # on a CPU too
    process = launch(launcher, recipe(), tmp_path / "run")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    the_same_run(tmp_path / "run", alone)
    assert output.count(f"{MODEL_FILE}: 4 steps") == output.count("step 4 of 4") == 1  # one of them speaks


def test_two_machines_are_one_run(tmp_path: Path, alone: Path) -> None:
    """Two launchers that find each other by address; each process sees a folder of its own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    options = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", port]
    runs = [tmp_path / "first", tmp_path / "second"]
    launcher = ["torch.distributed.run", *options, "--node-rank"]
    processes = [launch([*launcher, str(rank)], recipe(), run) for rank, run in enumerate(runs)]
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    the_same_run(runs[0], alone)
    assert {path.name for path in runs[0].iterdir()} == {STATE_FILE, MODEL_FILE, LOG_FILE, "tensorboard"}
    assert not runs[1].exists()


def test_one_process_goes_on_where_two_stopped(tmp_path: Path, alone: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from fmmp_train.training.inputs import Locations\n"
        "from fmmp_train.training.train import start\n"
        "from tests.train.training.test_processes import recipe\n"
        "def on_progress(progress):\n"
        "    if progress.step == 1: os.kill(os.getpid(), signal.SIGTERM)\n"
        "outcome = start(recipe(), Locations(), Path(sys.argv[1]), device='cpu', on_progress=on_progress)\n"
        "assert outcome.step == 2 and not outcome.is_finished\n"
    )
    (tmp_path / "work.py").write_text(code)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(tmp_path / "work.py"), str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert resume(out, device="cpu").is_finished
    the_same_run(out, alone)


@pytest.mark.parametrize("origin", ["center", "match"])
def test_every_parameter_has_a_gradient(origin: Literal["center", "match"]) -> None:
    """Or the processes would wait for it for ever: DistributedDataParallel isn't told of exceptions."""
    config = tiny(loss=LossConfig(), model=replace(tiny().model, start=origin))
    network = Network(config.model)
    step = TrainStep(network, config.loss, backbone_norm="frozen", backbone_bfloat16=False)
    [batch] = batches(create_mixture(config, Locations()), batch_size=2, start=0, stop=1)
    step.train()(batch).total.backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []
