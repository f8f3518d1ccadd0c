# SPDX-License-Identifier: Apache-2.0
"""Bundles whose hashes are right and whose words are lies, and support states; C++ must judge alike."""

from __future__ import annotations

import json
import os
import random
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from fmmp_runtime import PoseEstimator, Support, SupportState
from fmmp_runtime.bundle.folder import Bundle, parse_model
from fmmp_runtime.files import sha256
from fmmp_runtime.support_state import _digest
from tests.cpp.build import Probe
from tests.fakes.bundle import write_bundle
from tests.faults.spoil import spoil_bytes, spoil_json
from tests.faults.verdict import Attack, Strike, ends_well, holds

PROBE = "FMMP_PROBE"  # the program of tests/cpp, where it was built
POINTS = np.array([[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]])
IMAGE = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)
NEAR = 0.1  # px; crops of up to 100 times the box are float32 fractions


@cache
def cpp_probe() -> Probe | None:
    """The C++ readers; None where nobody built them."""
    return Probe(Path(os.environ[PROBE])) if PROBE in os.environ else None


def _agree(taken: bool, what: str, **question: str) -> None:
    """Python and C++ take or refuse the same."""
    probe = cpp_probe()
    if probe is None:
        return
    try:
        probe.ask(what, **question)
        said = ""
    except ValueError as error:
        said = str(error)
    holds(taken == (not said), f"Python {'takes' if taken else 'refuses'} it, C++ says {said!r}")


def _use(folder: Path, good: np.ndarray[Any, Any] | None) -> None:
    """Ask a bundle that was taken; with the graphs as they were it answers what the good one does."""

    def work() -> None:
        estimator = PoseEstimator(folder, "onnxruntime", threads=1)
        pose = estimator.locate(IMAGE, estimator.remember([Support(IMAGE, POINTS, [[0, 1], [1, 2]])]))
        holds(pose.keypoints.shape == POINTS.shape and pose.score.shape == (4,), "a pose of another shape")
        if good is not None:
            apart = float(np.abs(pose.keypoints - good).max())
            holds(apart < NEAR * max(1.0, estimator.model.crop_padding), f"another answer, by {apart} px")

    ends_well(work)


def model_lies(folder: Path) -> Strike:
    """model.json, spoilt."""
    cpp_probe()  # before memory is limited, of which its sanitizer maps terabytes
    bundle = write_bundle(folder / "good", batches=[2])
    content = json.loads((bundle / "model.json").read_text())
    told = Path(shutil.copytree(bundle, folder / "told"))
    estimator = PoseEstimator(bundle, "onnxruntime", threads=1)
    good = estimator.locate(IMAGE, estimator.remember([Support(IMAGE, POINTS, [[0, 1], [1, 2]])])).keypoints

    def strike(draw: random.Random) -> bool:
        text = spoil_json(content, draw)
        (told / "model.json").write_text(text)
        follows_rules = ends_well(lambda: parse_model(text.encode(), told / "model.json")) is not None
        _agree(follows_rules, "bundle", file=str(told))  # C++ looks at the files that it uses, and later
        taken = ends_well(lambda: Bundle.open(told)) is not None
        if taken:
            _use(told, good)
        return taken

    return strike


def graph_lies(folder: Path) -> Strike:
    """A graph or the weights, spoilt, with the right hash."""
    cpp_probe()  # before memory is limited, of which its sanitizer maps terabytes
    bundle = write_bundle(folder / "good")
    told = Path(shutil.copytree(bundle, folder / "told"))
    content = json.loads((bundle / "model.json").read_text())

    def strike(draw: random.Random) -> bool:
        name = draw.choice(("support.onnx", "query.onnx", "weights.bin"))
        (told / name).write_bytes(spoil_bytes((bundle / name).read_bytes(), draw))
        content["files"][name] = sha256(told / name)
        (told / "model.json").write_text(json.dumps(content))
        try:
            _agree(True, "bundle", file=str(told))
            _use(told, None)
        finally:
            shutil.copy(bundle / name, told / name)
            content["files"][name] = sha256(told / name)
        return True

    return strike


def states(folder: Path) -> Strike:
    """A support state: its bytes, or its words with the right digest."""
    cpp_probe()  # before memory is limited, of which its sanitizer maps terabytes
    bundle = Bundle.open(write_bundle(folder / "bundle"))
    estimator = PoseEstimator(bundle.path, "onnxruntime", threads=1)
    whole, file = folder / "whole", folder / "spoilt"
    state = estimator.remember([Support(IMAGE, POINTS, [[0, 1], [1, 2]])])
    state.save(whole)
    data, good = whole.read_bytes(), estimator.locate(IMAGE, state).keypoints
    with safe_open(whole, framework="numpy") as opened:
        words = dict(opened.metadata())
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no dict

    def lie(draw: random.Random) -> bytes:
        key = draw.choice(sorted(words))
        try:
            value = spoil_json([json.loads(words[key])], draw)[1:-1]
        except ValueError:  # a hash
            value = spoil_bytes(words[key].encode(), draw).decode(errors="replace")
        return bytes(save(tensors, words | {key: value}))

    def poison(draw: random.Random) -> bytes:
        name = draw.choice(sorted(tensors))
        changed = np.frombuffer(spoil_bytes(tensors[name].tobytes(), draw), np.uint8)
        changed = (
            np.resize(changed, tensors[name].nbytes).view(tensors[name].dtype).reshape(tensors[name].shape)
        )
        told = tensors | {name: changed}
        names = [tensor.name for tensor in bundle.model.state_tensors]
        return bytes(save(told, words | {"tensors": _digest(told[name] for name in names)}))

    def strike(draw: random.Random) -> bool:
        way = draw.choice((lie, poison, None))
        file.write_bytes(way(draw) if way else spoil_bytes(data, draw))
        loaded = ends_well(lambda: SupportState.load(file, bundle))
        _agree(loaded is not None, "state", bundle=str(bundle.path), file=str(file), out=str(folder / "cpp"))
        if loaded is None:
            return False
        loaded.save(folder / "again")
        again = SupportState.load(folder / "again", bundle)
        holds(
            again.links.tolist() == loaded.links.tolist() and again.known.tolist() == loaded.known.tolist(),
            "a state that is another one when it was saved and loaded",
        )
        pose = ends_well(lambda: estimator.locate(IMAGE, loaded))
        if pose is not None and way is None:
            holds(
                np.array_equal(pose.keypoints[: len(good)], good[: len(pose.keypoints)]),
                "a changed state was taken",
            )
        return True

    return strike


ATTACKS = [
    Attack("model.json", model_lies, 400),
    Attack("graphs", graph_lies, 40),
    Attack("states", states, 300),
]
