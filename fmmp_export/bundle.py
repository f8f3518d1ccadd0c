# SPDX-License-Identifier: Apache-2.0
"""Describe a bundle, and put it in its place only when it is complete."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import onnx_ir as ir

from fmmp_export.graph.operator import OPSET
from fmmp_export.graph.writer import WEIGHTS
from fmmp_runtime.bundle.engines import FOLDER
from fmmp_runtime.bundle.signature import SIGNATURE_FILE
from fmmp_runtime.bundle.specs import (
    FORMAT,
    MODEL_FILE,
    REFERENCE_FILE,
    GraphSpec,
    Model,
    Precision,
    ScoreSpec,
    SearchSpec,
    SourceSpec,
    Target,
    TensorSpec,
)
from fmmp_runtime.files import PART, sha256, sync_folder
from fmmp_runtime.pose import CORRECT_WITHIN, CROP_PADDING
from fmmp_train.model import Network
from fmmp_train.model.estimator import Estimator
from fmmp_train.model.fmmp.search import CENTER_FIT, MIRROR_FIT, MIRROR_PEAK, MIRRORED, Search
from fmmp_train.model.images import MEAN, STD

_OWN = (
    MODEL_FILE,
    SIGNATURE_FILE,
    REFERENCE_FILE,
    WEIGHTS,
    FOLDER,
)  # and the graphs: what a bundle consists of
OLD = ".old"  # ends the name of what is being replaced
MADE_WITH = ("fmmp", "torch", "onnx", "onnxscript", "onnxruntime", "timm")


def describe(
    network: Estimator,
    models: Mapping[str, ir.Model],
    folder: Path,
    *,
    name: str,
    shots: int,
    target: Target,
    precision: Precision,
    source: Path,
) -> Model:
    """Describe the graphs in `folder`, of which nothing has been measured yet."""
    inputs = network.config.inputs
    files = [*(f"{graph}.onnx" for graph in models), WEIGHTS, REFERENCE_FILE]
    calibrated = bool(network.confidence.calibrated)
    return Model(
        format=FORMAT,
        name=name,
        network=asdict(network.config),
        keypoints=inputs.max_keypoints,
        shots=shots,
        batch=1,
        target=target,
        image_size=inputs.image_size,
        crop_padding=CROP_PADDING,
        mean=list(MEAN),
        std=list(STD),
        precision=precision,
        opset=OPSET,
        graphs={graph: _graph_spec(f"{graph}.onnx", model.graph) for graph, model in models.items()},
        score=ScoreSpec(calibrated=calibrated, meaning=_meaning(network)),
        source=SourceSpec(file=source.name, sha256=sha256(source)),
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in MADE_WITH},
        },
        files={file: sha256(folder / file) for file in files},
        parity={},
        padding=inputs.padding,
        search=_search_spec(network) if "search" in models else None,
        shown_by=inputs.shown_by,
        fixed_keypoints=inputs.fixed_keypoints,
        answer=network.answer,
    )


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; it becomes `path` when the block ends well, else it is removed.

    A bundle that is there already is replaced; anything else is left alone. What killed exports of the same
    name left is removed too; those that still run hold a lock on their folder.

    Raises:
        OSError: `path` is a file, or the place cannot be written to.
        ValueError: `path` is a folder that is no bundle.
    """
    path = path.resolve()  # a link's folder is replaced, not the link
    check_free(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path, PART)
        temporary = _beside(path, PART)
        temporary.mkdir()
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from error
    lock = os.open(temporary, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed, by a kill too
        yield temporary
        _sync(temporary)
        _move(temporary, path)
        _remove_left(path, OLD)
    finally:
        os.close(lock)
        shutil.rmtree(temporary, ignore_errors=True)


def check_free(path: Path) -> None:
    """Refuse to write a bundle over something that is none.

    Raises:
        FileExistsError: a file is there.
        ValueError: a folder with other things is there, be it beside those of a bundle.
    """
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file; a bundle is a folder: choose another --out")
    found = sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []
    if found and MODEL_FILE not in found:
        raise ValueError(f"{path} holds other files and no bundle: choose another --out, or empty it")
    if foreign := [name for name in found if name not in _OWN and not name.endswith(".onnx")]:
        raise ValueError(
            f"{path} is a bundle with {', '.join(foreign[:3])} in it, which a new one would delete: "
            "move it away, or choose another --out"
        )


def _move(temporary: Path, path: Path) -> None:
    """Put the new folder in the place of the old one, which a kill in between leaves beside it."""
    if not path.exists():
        temporary.rename(path)
        sync_folder(path.parent)
        return
    old = _beside(path, OLD)
    path.rename(old)
    temporary.rename(path)
    sync_folder(path.parent)
    shutil.rmtree(old)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{ending}")


def _remove_left(path: Path, ending: str) -> None:
    """Remove hidden folders of killed exports to `path`: nobody holds a lock on them."""
    ours = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-z_]{{8}}{re.escape(ending)}")
    for folder in [entry for entry in path.parent.iterdir() if ours.fullmatch(entry.name) and entry.is_dir()]:
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # it is being written
        finally:
            os.close(handle)


def _sync(folder: Path) -> None:
    """See that all in a folder is on the disk, before it gets its name."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        else:
            sync_folder(file)
    sync_folder(folder)


def _search_spec(network: Estimator) -> SearchSpec:
    assert isinstance(network, Network)  # only for these there is a search
    # A match's first evidence of presence is the fit.
    share = float(network.presence.weight[0]) if network.matches else CENTER_FIT
    return SearchSpec(
        box_sides=Search(network).box_sides,
        mirrored=list(MIRRORED),
        mirror_peak=MIRROR_PEAK,
        mirror_presence=MIRROR_FIT * share,
        calibrated=bool(network.presence.calibrated),
    )


def _graph_spec(file: str, graph: ir.Graph) -> GraphSpec:
    return GraphSpec(
        file=file,
        inputs=[_tensor_spec(value) for value in graph.inputs],
        outputs=[_tensor_spec(value) for value in graph.outputs],
    )


def _tensor_spec(value: ir.Value) -> TensorSpec:
    if value.name is None or value.dtype is None or value.shape is None:
        raise RuntimeError(f"{value} has no static type")  # an error of the exporter, not of a user
    return TensorSpec(name=value.name, dtype=value.dtype.numpy().name, shape=list(value.shape.numpy()))


def _meaning(network: Estimator) -> str:
    if network.confidence.calibrated:
        return (
            f"estimated probability that the error is below {CORRECT_WITHIN:g} "
            "of the longer side of the object's box"
        )
    return f"{network.score_is}; only the order has meaning, since it was not calibrated"
