# SPDX-License-Identifier: Apache-2.0
"""A bundle is read whole or refused, and the refusal says which file or key."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.specs import BundleError
from tests.fakes.bundle import HEADS, copy_bundle


def test_round_trip(bundle: Path, tmp_path: Path) -> None:
    model = Bundle.open(bundle).model
    copy = copy_bundle(bundle, tmp_path / "copy")
    model.write(copy)
    assert Bundle.open(copy).model == model
    assert (copy / "model.json").read_bytes() == (bundle / "model.json").read_bytes()
    assert model.inputs.num_heads == HEADS
    assert Bundle.open(bundle).graph("query") == bundle / "query.onnx"


def test_unlisted_files_do_no_harm(bundle: Path, tmp_path: Path) -> None:
    copy = copy_bundle(bundle, tmp_path / "copy")
    (copy / "engines").mkdir()
    (copy / "engines" / "query.engine").write_bytes(b"built later")
    Bundle.open(copy)


@pytest.mark.parametrize("name", ["pair.onnx", "query.onnx", "weights.bin", "support.onnx"])
@pytest.mark.parametrize("where", [0, -1])
def test_one_changed_byte_is_refused(bundle: Path, tmp_path: Path, name: str, where: int) -> None:
    file = copy_bundle(bundle, tmp_path / "copy") / name
    data = bytearray(file.read_bytes())
    data[where] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(BundleError, match=rf"{name} has changed since its export"):
        Bundle.open(file.parent)


def test_missing_file_is_named(bundle: Path, tmp_path: Path) -> None:
    copy = copy_bundle(bundle, tmp_path / "copy")
    (copy / "support.onnx").unlink()
    with pytest.raises(BundleError, match=r"support\.onnx is missing"):
        Bundle.open(copy)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no bundle at .*nowhere"):
        Bundle.open(tmp_path / "nowhere")


def test_folder_without_model(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"is not a bundle: it has no model\.json"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"), [("{", "is not JSON"), ("[1]", "JSON object, got list"), ("", "not JSON")]
)
def test_broken_model_file(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(BundleError, match=says):
        Bundle.open(tmp_path)


def _set(*path: Any) -> Callable[[Any], None]:  # noqa: ANN401  # keys and indices, then the value
    def change(content: Any) -> None:  # noqa: ANN401
        for key in path[:-2]:
            content = content[key]
        content[path[-2]] = path[-1]

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set("format", 3), "format 3, this fmmp reads 2: it was made by a newer fmmp: update fmmp"),
        (_set("format", 1), "format 1, this fmmp reads 2: export the checkpoint again"),
        (_set("format", "2"), "has bundle format '2'"),
        (lambda c: c.pop("format"), "has bundle format None, .* export the checkpoint again"),
        (_set("target", "tpu"), 'target must be one of cpu, gpu, got "tpu"'),
        (lambda c: c["files"].pop("weights.bin"), r"files lacks 'weights\.bin'"),
        (lambda c: c["graphs"].update(other=c["graphs"]["query"]), "unknown graph 'other'; known are pair, "),
        (
            lambda c: c["graphs"].update(query_batch3=c["graphs"]["query"]),
            r"query\.onnx has query as uint8 \[1, .*, expected query as uint8 \[3,",
        ),
        (
            lambda c: c["graphs"].update(query_batch3=c["graphs"]["query"] | {"inputs": []}),
            "query.onnx has , expected query, ",
        ),
        (_set("colour", "red"), "unknown key 'colour'; known keys are format, name,"),
        (_set("score", "sure", 1), r"unknown key 'score\.sure'; known keys are calibrated, meaning"),
        (
            _set("graphs", "query", "inputs", 0, "layout", "NHWC"),
            r"unknown key 'graphs\.query\.inputs\[0\]\.layout'",
        ),
        (lambda c: c.pop("shots"), "no key 'shots'"),
        (lambda c: c["source"].pop("sha256"), r"no key 'source\.sha256'"),
        (_set("keypoints", "70"), 'keypoints must be a whole number, got "70"'),
        (_set("keypoints", True), "keypoints must be a whole number, got true"),
        (_set("mean", [0.5, "0.5", 0.5]), r"mean\[1\] must be a number"),
        (_set("graphs", []), "graphs must be an object"),
        (_set("score", None), "score must be an object, got null"),
        (_set("shots", 0), "shots must be 1 to 256, got 0"),
        (lambda c: c["graphs"].pop("query"), "graphs lacks 'query'"),
        (lambda c: c["files"].pop("pair.onnx"), r"pair\.onnx is a graph, but files gives no hash"),
        (_set("files", "../other", "0"), r"may only name files of the bundle, got '\.\./other'"),
        (_set("files", "/etc/passwd", "0"), "may only name files of the bundle"),
    ],
)
def test_fault_in_model_file_is_named(
    bundle: Path, tmp_path: Path, change: Callable[[Any], None], says: str
) -> None:
    copy = copy_bundle(bundle, tmp_path / "copy")
    content = json.loads((copy / "model.json").read_text())
    change(content)
    (copy / "model.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=says):
        Bundle.open(copy)


def test_whole_numbers_may_stand_for_floats(bundle: Path, tmp_path: Path) -> None:
    copy = copy_bundle(bundle, tmp_path / "copy")
    content = json.loads((copy / "model.json").read_text())
    content["crop_padding"] = 1
    (copy / "model.json").write_text(json.dumps(content))
    assert Bundle.open(copy).model.crop_padding == 1.0
