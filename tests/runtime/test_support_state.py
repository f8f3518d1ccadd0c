# SPDX-License-Identifier: Apache-2.0
"""A support state in a file: it comes back as it was, or the reason is said why not."""

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fmmp_runtime import PoseEstimator, Support, SupportState
from fmmp_runtime.support_state import StateError

POINTS = np.array([[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]])
IMAGE = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def estimator(bundle: Path) -> PoseEstimator:
    return PoseEstimator(bundle, threads=1)


@pytest.fixture(scope="module")
def state(estimator: PoseEstimator) -> SupportState:
    return estimator.remember([Support(IMAGE, POINTS, visible=[True, False, True, True])])


@pytest.fixture
def file(state: SupportState, tmp_path: Path) -> Path:
    path = tmp_path / "cat.safetensors"
    state.save(path)
    return path


def parse(file: Path) -> tuple[dict[str, Any], bytes]:
    """Header and tensor bytes, as the format's own page describes them."""
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write(file: Path, header: dict[str, Any], body: bytes) -> None:
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)


def test_it_comes_back_as_it_was(estimator: PoseEstimator, state: SupportState, file: Path) -> None:
    found = estimator.load_state(file)
    assert found.tensors.keys() == state.tensors.keys()
    for name, tensor in state.tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found.tensors[name], tensor)
    assert found.known.tolist() == [True, False, True, True]
    assert found.links.tolist() == state.links.tolist()
    assert (found.shots, found.notes) == (1, state.notes)
    assert found.notes[0].startswith("no links given")
    pose, expected = estimator.locate(IMAGE, found), estimator.locate(IMAGE, state)
    np.testing.assert_array_equal(pose.keypoints, expected.keypoints)
    np.testing.assert_array_equal(pose.score, expected.score)


def test_what_stands_in_the_file(bundle: Path, state: SupportState, file: Path) -> None:
    """Other programs read it too: this is what they rely on."""
    header, body = parse(file)
    texts = header.pop("__metadata__")
    content = json.loads((bundle / "model.json").read_text())
    names = [tensor["name"] for tensor in content["graphs"]["query"]["inputs"] if tensor["name"] != "query"]
    assert sorted(header) == sorted(names)
    pieces = [body[slice(*header[name]["data_offsets"])] for name in names]
    assert pieces == [state.tensors[name].tobytes() for name in names]
    lines = "".join(
        f"{name} {content['files'][name]}\n" for name in ("support.onnx", "query.onnx", "weights.bin")
    )
    assert texts == {
        "fmmp_state": "1",
        "bundle": hashlib.sha256(lines.encode()).hexdigest(),
        "tensors": hashlib.sha256(b"".join(pieces)).hexdigest(),
        "links": json.dumps(state.links.tolist()),
        "known": "[true, false, true, true]",
        "shots": "1",
        "notes": json.dumps(list(state.notes)),
    }


def test_it_replaces_and_leaves_nothing_else(
    estimator: PoseEstimator, state: SupportState, file: Path
) -> None:
    file.write_bytes(b"old")
    state.save(file)
    estimator.load_state(file)
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(OSError, match="nowhere"):
        state.save(file.parent / "nowhere" / "cat.safetensors")


def test_arrays_in_another_order_of_memory(
    estimator: PoseEstimator, state: SupportState, tmp_path: Path
) -> None:
    tensors = {name: np.asfortranarray(tensor) for name, tensor in state.tensors.items()}
    turned = SupportState(
        tensors=tensors,
        links=state.links,
        known=state.known,
        shots=1,
        notes=(),
        bundle=state.bundle,
    )
    turned.save(tmp_path / "turned")
    for name, tensor in estimator.load_state(tmp_path / "turned").tensors.items():
        np.testing.assert_array_equal(tensor, state.tensors[name])


def test_of_another_bundle(three_shot_bundle: Path, file: Path) -> None:
    with pytest.raises(
        StateError, match=r"was made with another bundle .*three-shot.*: remember the support again"
    ):
        PoseEstimator(three_shot_bundle, threads=1).load_state(file)


@pytest.mark.parametrize("name", ["state_keypoints", "state_support", "state_mean"])
def test_one_changed_byte(estimator: PoseEstimator, file: Path, name: str) -> None:
    header, body = parse(file)
    changed = bytearray(body)
    changed[header[name]["data_offsets"][1] - 1] ^= 1
    write(file, header, bytes(changed))
    with pytest.raises(StateError, match="has changed since it was written"):
        estimator.load_state(file)


@pytest.mark.parametrize("keep", [1, 8, 40, 900, -1])
def test_cut_off(estimator: PoseEstimator, file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(StateError, match=r"cat\.safetensors is cut off, or no support state: copy it again"):
        estimator.load_state(file)


def test_a_pipe_is_not_waited_for(estimator: PoseEstimator, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StateError, match="no regular file"):
        estimator.load_state(tmp_path / "pipe")


def test_something_else(estimator: PoseEstimator, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        estimator.load_state(tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    with pytest.raises(StateError, match=r"is empty \(0 bytes\)"):
        estimator.load_state(tmp_path / "empty")
    (tmp_path / "text").write_text("{}" * 400)
    with pytest.raises(StateError, match="no support state"):
        estimator.load_state(tmp_path / "text")
    save_file({"weight": np.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(StateError, match="is a safetensors file, but no support state"):
        estimator.load_state(tmp_path / "model.safetensors")


def texts(**changes: str | None) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        for key, value in changes.items():
            header["__metadata__"].pop(key)
            if value is not None:
                header["__metadata__"][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            texts(fmmp_state="3"),
            r"has version '3', this fmmp reads 1 and 2: it was made by a newer fmmp: update fmmp",
        ),
        (texts(fmmp_state="0"), "has version '0', this fmmp reads 1 and 2: remember the support again"),
        (texts(fmmp_state="one"), "has version 'one'"),
        (texts(bundle=None), "was made with another bundle"),
        (texts(tensors=None), "has changed since it was written"),
        (texts(fmmp_state="9" * 5000), "has version '99999"),
        (texts(links="[" * 100_000), "no usable 'links'"),
        (texts(shots="1" * 5000), "no usable 'shots'"),
        (lambda h: h["state_mean"].update(dtype="F8_E4M3", shape=[1, 48, 2]), "no support state|expected"),
        (texts(links=None), "no usable 'links'"),
        (texts(links="[[0, 9]]"), "no usable 'links'"),
        (texts(links='{"a": 1}'), "no usable 'links'"),
        (texts(links="[[0, 1], [2]]"), "no usable 'links'"),
        (texts(known="[1, 1]"), "no usable 'known'"),
        (texts(known="[]"), "no usable 'known'"),
        (texts(known=json.dumps([True] * 13)), "no usable 'known'"),
        (texts(known="[true"), "no usable 'known'"),
        (texts(shots="2"), "no usable 'shots'"),
        (texts(notes="[1]"), "no usable 'notes'"),
        (lambda h: h["state_mean"].update(dtype="I32"), "has state_mean as .'int32', .*expected .'float32'"),
        (lambda h: h["state_mean"].update(shape=[12, 1, 2]), r"has state_mean as .*\[12, 1, 2\].*, expected"),
        (lambda h: h.update(other=h.pop("state_mean")), "has state_mean as None, expected"),
    ],
)
def test_fault_of_a_file_is_named(
    estimator: PoseEstimator,
    state: SupportState,
    file: Path,
    change: Callable[[dict[str, Any]], None],
    says: str,
) -> None:
    header, body = parse(file)
    change(header)
    write(file, header, body)
    with pytest.raises(StateError, match=says):
        estimator.load_state(file)
    estimator.locate(IMAGE, state)  # and it works on
