# SPDX-License-Identifier: Apache-2.0
"""Export the demo model, then find keypoints of objects that it never saw, without torch.

A stereo pair of photographs that scikit-image installs, whose disparity says where a point of the left one
is in the right one; and synthetic categories with numbers that training never draws.
"""

from __future__ import annotations

import json
import runpy
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime.cli.command import say
from fmmp_runtime.files import sha256, write_atomically
from fmmp_runtime.media.image import read_image, warp, write_image
from fmmp_runtime.pose import crop_matrix, pck, transform_points
from fmmp_train.data.examples.photographs import photograph_folder

MODELS = Path(__file__).parent.parent / "models"
THRESHOLD = 0.1  # of PCK
FIRST_SYNTHETIC = 2**40  # training draws smaller numbers
SYNTHETIC_CATEGORIES, SYNTHETIC_QUERIES = 3, 3
SYNTHETIC_SIZE = 320  # pixels

# Keypoints of motorcycle_left.png, pixels, set by eye.
MOTORCYCLE = {
    "headlight": (541, 155),
    "front hub": (580, 372),
    "rear hub": (207, 325),
    "engine": (368, 335),
    "tank": (425, 200),
    "seat": (272, 245),
    "back of the seat": (160, 165),
    "tail light": (110, 208),
    "front fender": (640, 298),
    "left grip": (372, 160),
    "stand": (333, 430),
}
MOTORCYCLE_LINKS = (
    (0, 1),
    (1, 8),
    (0, 9),
    (0, 4),
    (4, 5),
    (5, 6),
    (6, 7),
    (6, 2),
    (2, 3),
    (3, 4),
    (3, 10),
    (3, 1),
)
MOTORCYCLE_SIDE = 600  # pixels, longer side of its box
TURN_DEG = 15.0  # counter-clockwise


@dataclass(frozen=True, kw_only=True)
class Task:
    """An annotated support, and queries whose keypoints are known."""

    title: str
    folder: Path
    support: Path
    annotation: Path
    queries: list[Path]
    truths: list[NDArray[np.float64]]  # (K_c, 2) of each query, pixels; NaN where unknown
    box_sides: list[float]  # longer side of the object in each query, pixels


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the runtime found."""

    hits: list[float]  # PCK of each query
    milliseconds: list[float]  # of each query but the first, which loads the graph


def run(checkpoint: Path, out: Path) -> None:
    """Do it all below `out`, and print what came of it.

    Raises:
        OSError, ValueError: the checkpoint can't be exported, or the runtime failed.
    """
    from fmmp_export.export import export_bundle

    print(f"exporting {checkpoint.name}", flush=True)
    made = export_bundle(checkpoint, out / "bundle")
    (parity,) = made.model.parity.values()
    print(f"  {made.path}: at most {parity['max_px']:.2g} px from torch; {made.seconds:.0f} s", flush=True)
    tasks = [motorcycle_task(out / "motorcycle")] + [
        synthetic_task(FIRST_SYNTHETIC + number, out / f"synthetic-{number + 1}")
        for number in range(SYNTHETIC_CATEGORIES)
    ]
    for task in tasks:
        result = run_task(task, made.path)
        print(
            f"{task.title}: {100 * statistics.mean(result.hits):.0f} % of the keypoints within {THRESHOLD:g} "
            f"of the box, {statistics.median(result.milliseconds):.0f} ms a frame\n"
            f"  {task.folder / 'result' / 'sheet-pose.jpg'}",
            flush=True,
        )


def find_checkpoint(models: Path) -> Path:
    """The demo checkpoint that models/manifest.json names, if it is what the manifest says.

    Raises:
        OSError: there is none.
        ValueError: it is another file than the manifest's.
    """
    entry = json.loads((models / "manifest.json").read_text(encoding="utf-8"))["demo"]
    checkpoint = models / str(entry["file"])
    if sha256(checkpoint) != entry["sha256"]:
        raise ValueError(f"{checkpoint} is not the file that its manifest.json names: fetch it again")
    return checkpoint


def motorcycle_task(folder: Path) -> Task:
    """Left photograph as support; the right one, as it is and turned, as queries."""
    photographs = photograph_folder()
    left, right = (photographs / f"motorcycle_{side}.png" for side in ("left", "right"))
    keypoints = np.array(list(MOTORCYCLE.values()), np.float64)
    with np.load(photographs / "motorcycle_disp.npz") as arrays:
        disparity = arrays["arr_0"]  # (H, W), pixels to the left from the left picture to the right one
    columns, rows = keypoints.astype(int).T
    moved = keypoints.copy()
    moved[:, 0] -= np.where(np.isfinite(disparity[rows, columns]), disparity[rows, columns], np.nan)
    annotation = folder / "annotation.json"
    _write_annotation(annotation, keypoints, MOTORCYCLE_LINKS, list(MOTORCYCLE))
    image = read_image(right)
    height, width = image.shape[:2]
    turn = crop_matrix((0, 0, width, height), width, padding=1.0, rotation_deg=TURN_DEG)
    turned = folder / "motorcycle_right_turned.png"
    write_image(turned, warp(image, turn, width))
    return Task(
        title="motorcycle, from the left eye to the right",
        folder=folder,
        support=left,
        annotation=annotation,
        queries=[right, turned],
        truths=[moved, transform_points(moved, turn)],
        box_sides=[MOTORCYCLE_SIDE] * 2,
    )


def synthetic_task(number: int, folder: Path) -> Task:
    """Instances of one synthetic category: a support, and queries."""
    from fmmp_train.synthetic import SyntheticCategory

    category = SyntheticCategory(number)
    files, truths, sides = [], [], []
    drawn = [category.render(np.random.default_rng(n), SYNTHETIC_SIZE) for n in range(SYNTHETIC_QUERIES + 1)]
    folder.mkdir(parents=True, exist_ok=True)
    for index, instance in enumerate(drawn):
        files.append(folder / ("support.png" if index == 0 else f"query-{index}.png"))
        write_image(files[-1], instance.image)
        inside = ((instance.keypoints_px >= 0) & (instance.keypoints_px < SYNTHETIC_SIZE)).all(1)
        scored = instance.visible & inside & drawn[0].visible
        truths.append(np.where(scored[:, None], instance.keypoints_px, np.nan))
        sides.append(float(instance.box[2:].max()))
    annotation = folder / "annotation.json"
    points = np.column_stack([drawn[0].keypoints_px, drawn[0].visible])
    _write_annotation(annotation, points, category.links.tolist())
    return Task(
        title=f"synthetic category {number}, {category.num_keypoints} keypoints",
        folder=folder,
        support=files[0],
        annotation=annotation,
        queries=files[1:],
        truths=truths[1:],
        box_sides=sides[1:],
    )


def run_task(task: Task, bundle: Path) -> Result:
    """Let `fmmp-run` find the keypoints in a process of its own.

    Raises:
        ValueError: it failed; with its words.
    """
    command = [sys.executable, "-m", "fmmp_runtime.cli.run", str(bundle), "--json", "--box", "whole"]
    command += ["--support", str(task.support), "--annotation", str(task.annotation)]
    command += ["--out", str(task.folder / "result"), "--query", *map(str, task.queries)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ValueError(f"fmmp-run failed on {task.folder}: {answer.stderr.strip()}")
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    hits = [
        pck(pose["keypoints"], truth, np.isfinite(truth).all(1), (side, side), THRESHOLD)
        for pose, truth, side in zip(found, task.truths, task.box_sides, strict=True)
    ]
    return Result(hits=hits, milliseconds=[pose["milliseconds"] for pose in found[1:]])


def _write_annotation(
    path: Path, keypoints: NDArray[np.floating], links: Sequence[Sequence[int]], names: Sequence[str] = ()
) -> None:
    content = {"keypoints": keypoints.tolist(), "links": [list(link) for link in links]}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content | ({"names": list(names)} if names else {})).encode())


if __name__ == "__main__":  # what the command was called before
    say("demo", "call python -m fmmp_export.cli.demo: the name without cli will go with the next release")
    runpy.run_module("fmmp_export.cli.demo", run_name="__main__")
