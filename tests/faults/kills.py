# SPDX-License-Identifier: Apache-2.0
"""Kill commands at random moments: `python -m tests.faults.kills --kills 100`. Whole or absent, never half.

Each command is killed after a share of the time that it takes, and what lies under its names then must be
whole; at the end it runs once more, and must give what an undisturbed run gives.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.files import PART
from fmmp_runtime.media.image import write_image
from fmmp_runtime.media.video import VideoReader, VideoWriter
from fmmp_runtime.studio.project import ProjectFolder
from tests.fakes.bundle import write_bundle
from tests.faults.verdict import holds

ROOT = Path(__file__).parents[2]
POINTS = [[30.0, 20.0], [100.0, 25.0], [95.0, 70.0]]
SAVING = """
import json, sys
from pathlib import Path
from fmmp_runtime.studio.project import ProjectFolder
folder = ProjectFolder(Path(sys.argv[1]))
for number in range(300):
    project = {"version": 1, "name": "x" * 50_000, "annotations": [number] * 99}
    folder.save(json.dumps(project).encode(), folder.load()["revision"])
"""


@dataclass(frozen=True)
class Victim:
    """A command, what must hold of its results at any moment, and what they are at its end."""

    command: list[str]
    check: Callable[[], None]
    result: Callable[[], object]


def _module(name: str, *words: object) -> list[str]:
    return [sys.executable, "-m", name, *map(str, words)]


def video(folder: Path) -> Victim:
    """fmmp-run on a video."""
    bundle, out = write_bundle(folder / "bundle"), folder / "out"
    picture = np.random.default_rng(0).integers(0, 256, (90, 140, 3), np.uint8)
    write_image(folder / "s.png", picture)
    (folder / "s.json").write_text(json.dumps({"keypoints": POINTS}))
    with VideoWriter(folder / "v.mp4", 10) as writer:
        for number in range(40):
            writer.write(np.roll(picture, number, axis=1))
    words = ["--support", folder / "s.png", "--annotation", folder / "s.json", "--query", folder / "v.mp4"]
    made, said = out / "v-pose.mp4", out / "v-pose.json"

    def check() -> None:
        if made.exists():
            holds(len(list(VideoReader(str(made)))) == 40, "a video with frames missing")
        if said.exists():
            holds(len(json.loads(said.read_text())["frames"]) == 40, "frames missing in the JSON")

    def result() -> object:
        return [frame["keypoints"] for frame in json.loads(said.read_text())["frames"]]

    command = _module("fmmp_runtime.cli.run", bundle, *words, "--out", out, "--box", "whole", "--overwrite")
    return Victim(command, check, result)


def saving(folder: Path) -> Victim:
    """Saving a project of fmmp-studio."""
    project = folder / "project"

    def check() -> None:
        if project.exists():
            content = ProjectFolder(project).load()["project"]
            holds(len(content["annotations"]) in (0, 99), "half a project")

    def result() -> object:
        return ProjectFolder(project).load()["project"]

    return Victim([sys.executable, "-c", SAVING, str(project)], check, result)


def _checkpoint(folder: Path) -> Path:
    from fmmp_train.checkpoint.files import save_model
    from tests.faults.inputs.checkpoints import _small

    save_model(_small(), folder / "m.safetensors")
    return folder / "m.safetensors"


def export(folder: Path) -> Victim:
    """fmmp-export of a small network, over the bundle that is there."""
    checkpoint, bundle = _checkpoint(folder), folder / "bundle"

    def check() -> None:
        if bundle.exists():
            Bundle.open(bundle)

    def result() -> object:
        left = [entry.name for entry in folder.iterdir() if entry.name.endswith((PART, ".old"))]
        holds(not left, f"rests of killed exports: {left}")
        return Bundle.open(bundle).model.files

    command = _module("fmmp_export.cli.export", "--ckpt", checkpoint, "-o", bundle, "--overwrite")
    return Victim(command, check, result)


def training(folder: Path) -> Victim:
    """fmmp-train, which goes on where it was killed."""
    from fmmp_runtime.settings import to_json
    from tests.train.recipes import tiny

    recipe, out = folder / "recipe.json", folder / "run"
    recipe.write_text(to_json(tiny(steps=40, save_every=3, eval_every=10)))

    def check() -> None:
        from fmmp_train.checkpoint.files import load_model
        from fmmp_train.training.run.state import STATE_FILE, load_state

        for file in out.glob("*.safetensors"):
            load_model(file)
        if (out / STATE_FILE).exists():
            load_state(out)

    def result() -> object:
        return {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in out.glob("*.safetensors")
        }

    words = f"""
import sys
from pathlib import Path
from fmmp_train.cli.train import main
out = Path({str(out)!r})
begin = ["--preset", {str(recipe)!r}, "-o", str(out)]
go_on = ["--resume", str(out)]
sys.exit(main([*(go_on if (out / "state.pt").exists() else begin), "--device", "cpu", "--workers", "0"]))
"""
    return Victim([sys.executable, "-c", words], check, result)


VICTIMS = {"video": video, "saving": saving, "export": export, "training": training}


def torment(name: str, kills: int, seed: int) -> int:
    """Kill so often, checking after each; how many kills came before the end.

    Raises:
        Fault: something is half, or another result came out in the end.
    """
    draw = random.Random(f"{name} {seed}")
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        whole, victim = VICTIMS[name](Path(first)), VICTIMS[name](Path(second))
        started = time.monotonic()
        _run(whole.command, None)
        takes = time.monotonic() - started
        hit = sum(_kill(victim, draw.uniform(0, 1.1 * takes)) for _ in range(kills))
        _run(victim.command, None)
        victim.check()
        holds(victim.result() == whole.result(), f"{name}: another result after {kills} kills")
    return hit


def _kill(victim: Victim, seconds: float) -> bool:
    killed = _run(victim.command, seconds)
    victim.check()
    return killed


def _run(command: list[str], seconds: float | None) -> bool:
    """Run a command, or kill it after so many seconds; whether it was."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _, said = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    holds(process.returncode == 0, f"ended with {process.returncode}: {said.decode()[-1000:]}")
    return False


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="of each (default: %(default)s)")
    parser.add_argument("--only", nargs="+", default=list(VICTIMS), choices=list(VICTIMS), metavar="NAME")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    args = parser.parse_args()
    print("| killed | kills | before the end | s | failures |\n|---|---|---|---|---|")
    failed = 0
    for name in args.only:
        started = time.monotonic()
        try:
            hit, fault = torment(name, args.kills, args.seed), None
        except AssertionError as error:
            hit, fault = 0, error
        failed += fault is not None
        row = (
            f"| {name} | {args.kills} | {hit} | {time.monotonic() - started:.0f} | {int(fault is not None)} |"
        )
        print(row, flush=True)
        if fault is not None:
            print(fault, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
