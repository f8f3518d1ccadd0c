# SPDX-License-Identifier: Apache-2.0
"""Files that come from elsewhere: what is read and what is refused, under the sanitizers."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from fmmp_runtime import PoseEstimator, Support
from tests.cpp.build import Probe
from tests.fakes.bundle import copy_bundle
from tests.fakes.lies import LIES, RULES, TRUTHS, tell

POINTS = np.array([[30.0, 20.0], [100.0, 25.0], [95.0, 70.0], [40.0, 60.0]])
IMAGE = np.random.default_rng(0).integers(0, 256, (90, 140, 3), dtype=np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 600_001])
def test_sha256(probe: Probe, file: Path, size: int) -> None:
    """Around the padding's limits, and more than one piece of reading."""
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    file.write_bytes(data)
    assert probe.ask("sha256", file=str(file)) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (' {"a": [1, -2.5e3, true, false, null, "x"]} ', "object"),
        ("[]", "array"),
        ("{}", "object"),
        ("-0", "int"),
        ("9223372036854775807", "int"),
        ("0.5", "float"),
        ("1E2", "float"),
        ("[" * 64 + "]" * 64, "array"),
        ('{"a": {"a": [{"a": 1}, {"a": 2}]}}', "object"),
    ],
)
def test_json(probe: Probe, file: Path, text: str, kind: str) -> None:
    json.loads(text)
    file.write_text(text)
    assert probe.ask("json", file=str(file)) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nul",
        "[1,]",
        "[1 2]",
        '{"a" 1}',
        '{"a": 1,}',
        "{1: 2}",
        '{"a": 1, "a": 2}',
        '[{"b": {"a": 1}, "a": 2, "b": 3}]',
        '"\\u0061\xff"',
        "[1] 2",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "NaN",
        "Infinity",
        "1e999",
        "9223372036854775808",
        '"open',
        '"\\',
        '"\\x"',
        '"\\u12"',
        '"\\ud800"',
        '"\\ud800\\u0041"',
        '"\\udc00"',
        '"a\nb"',
        "// no",
        "[" * 66 + "]" * 66,
        "[" * 1_000_000,
        '{"a":' * 100_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_json(probe: Probe, file: Path, text: str) -> None:
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(
        ValueError, match=r"unexpected text at byte|is there twice|too large|inside each other"
    ):
        probe.ask("json", file=str(file))


@pytest.mark.parametrize("text", ["", 'a/\\"\b\f\n\r\t\x01', "Süß \u20ac 名 \U0001f600"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_strings(probe: Probe, file: Path, text: str, ascii_only: bool) -> None:
    file.write_text(json.dumps(text, ensure_ascii=ascii_only), encoding="utf-8")
    assert probe.ask("string", file=str(file)) == text


def pack(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(begin: Any, end: Any, shape: Any, dtype: str = "F32") -> dict[str, Any]:  # noqa: ANN401  # faults too
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_safetensors(probe: Probe, file: Path) -> None:
    tensors = {"a": np.zeros((2, 3), np.float32), "b": np.ones(5, bool), "c": np.zeros((), np.int64)}
    tensors["d"] = np.zeros((0, 4), np.float16)
    file.write_bytes(save(tensors, {"key": "text"}))
    found = probe.ask("safetensors", file=str(file))
    assert found == {"a": "float32 [2, 3]", "b": "bool [5]", "c": "int64 []", "d": "float16 [0, 4]"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 2),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**64 - 1) + b"{}",
        pack(b"[]"),
        pack(b"{"),
        pack({"a": 1}),
        pack({"a": entry(0, 8, [2])}),  # no body
        pack({"a": entry(0, 8, [2])}, bytes(6)),  # too few
        pack({"a": entry(0, 4, [2])}, bytes(4)),
        pack({"a": entry(0, 8, [2])}, bytes(12)),  # too many
        pack({"a": entry(4, 8, [1])}, bytes(8)),  # a gap
        pack({"a": entry(0, 8, [2]), "b": entry(4, 8, [1])}, bytes(8)),  # one over the other
        pack({"a": entry(8, 0, [2])}, bytes(8)),
        pack({"a": entry(-8, 0, [2])}, bytes(8)),
        pack({"a": entry(0, 2**62, [2**60])}, bytes(8)),
        pack({"a": entry(0, 0, [2**32, 2**32])}),  # its size overflows
        pack({"a": entry(0, 8, [-2, -1])}, bytes(8)),
        pack({"a": entry(0, 8, [1.0])}, bytes(8)),
        pack({"a": entry(0, 8, 2)}, bytes(8)),
        pack({"a": entry(0, 8, [2], "C64")}, bytes(8)),
        pack({"a": entry("0", 8, [2])}, bytes(8)),
        pack({"a": {"dtype": "F32"}}, bytes(8)),
        pack({"__metadata__": {"key": 1}}),
        pack({"__metadata__": []}),
    ],
    ids=range(26),
)
def test_no_safetensors(probe: Probe, file: Path, data: bytes) -> None:
    file.write_bytes(data)
    with pytest.raises(ValueError):  # noqa: PT011  # each has its own words
        probe.ask("safetensors", file=str(file))


@pytest.fixture(scope="module")
def state_file(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by Python."""
    path = tmp_path_factory.mktemp("state") / "cat.safetensors"
    estimator = PoseEstimator(bundle, backend="onnxruntime", threads=1)
    estimator.remember([Support(IMAGE, POINTS, visible=[True, False, True, True])]).save(path)
    return path


def test_state_goes_through_cpp_unchanged(probe: Probe, bundle: Path, state_file: Path, file: Path) -> None:
    probe.ask("state", bundle=str(bundle), file=str(state_file), out=str(file))
    estimator = PoseEstimator(bundle, backend="onnxruntime", threads=1)
    found, expected = estimator.load_state(file), estimator.load_state(state_file)
    for name, tensor in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], tensor)
    assert found.links.tolist() == expected.links.tolist()
    assert found.known.tolist() == expected.known.tolist()
    assert (found.shots, found.notes) == (expected.shots, expected.notes)
    assert sorted(file.parent.iterdir()) == [file]  # no temporary file stays


def parse(file: Path) -> tuple[dict[str, Any], bytes]:
    data = file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"fmmp_state": "3"},
            r"has version '3', this fmmp reads 1 and 2: it was made by a newer fmmp: update fmmp",
        ),
        ({"fmmp_state": "0"}, "has version '0', this fmmp reads 1 and 2: remember the support again"),
        ({"fmmp_state": "one"}, "has version 'one', this fmmp reads 1 and 2: remember"),
        ({"fmmp_state": None}, "is a safetensors file, but no support state"),
        ({"bundle": None}, "was made with another bundle"),
        ({"tensors": None}, "has changed since it was written"),
        ({"links": None}, "no usable 'links'"),
        ({"links": "[[0, 9]]"}, "no usable 'links'"),
        ({"links": '{"a": 1}'}, "no usable 'links'"),
        ({"links": "[[0, 1], [2]]"}, "no usable 'links'"),
        ({"known": "[1, 1]"}, "no usable 'known'"),
        ({"known": "[]"}, "no usable 'known'"),
        ({"known": json.dumps([True] * 13)}, "no usable 'known'"),
        ({"known": "[true"}, "no usable 'known'"),
        ({"shots": "2"}, "no usable 'shots'"),
        ({"shots": "true"}, "no usable 'shots'"),
        ({"notes": "[1]"}, "no usable 'notes'"),
    ],
)
def test_fault_of_a_state_is_named(
    probe: Probe, bundle: Path, state_file: Path, file: Path, changes: dict[str, str | None], says: str
) -> None:
    header, body = parse(state_file)
    for key, value in changes.items():
        header["__metadata__"].pop(key)
        if value is not None:
            header["__metadata__"][key] = value
    file.write_bytes(pack(header, body))
    with pytest.raises(ValueError, match=says):
        probe.ask("state", bundle=str(bundle), file=str(file), out="")


def test_changed_or_other_tensors(probe: Probe, bundle: Path, state_file: Path, file: Path) -> None:
    def load() -> None:
        probe.ask("state", bundle=str(bundle), file=str(file), out="")

    header, body = parse(state_file)
    file.write_bytes(pack(header, body[:-1] + bytes([body[-1] ^ 1])))
    with pytest.raises(ValueError, match="has changed since it was written: copy it again"):
        load()
    header["state_mean"]["dtype"] = "I32"
    file.write_bytes(pack(header, body))
    with pytest.raises(ValueError, match=r"has state_mean as int32 .*, expected float32 \[1, 12, 2\]"):
        load()
    header["other"] = header.pop("state_mean")
    file.write_bytes(pack(header, body))
    with pytest.raises(ValueError, match="has state_mean as nothing, expected"):
        load()


def test_states_with_random_faults(probe: Probe, bundle: Path, state_file: Path, file: Path) -> None:
    """Cut off, or with bytes of the header changed: an error, or nothing that matters changed."""
    data, rng = state_file.read_bytes(), np.random.default_rng(0)
    (length,) = struct.unpack("<Q", data[:8])
    for turn in range(150):
        spoilt = bytearray(data)
        if turn % 3 == 0:
            spoilt = spoilt[: int(rng.integers(len(data)))]
        else:
            for place in rng.integers(8 + length, size=int(rng.integers(1, 4))):
                spoilt[place] = int(rng.integers(256))
        file.write_bytes(spoilt)
        try:
            probe.ask("state", bundle=str(bundle), file=str(file), out=str(file))
        except ValueError as error:
            assert len(str(error)) > 10  # noqa: PT017  # most are refused, not all


Spoil = Callable[[dict[str, Any]], object]  # changes the content of model.json


def change(bundle: Path, folder: Path, spoil: Spoil) -> Path:
    copy = copy_bundle(bundle, folder)
    content = json.loads((copy / "model.json").read_text())
    spoil(content)
    (copy / "model.json").write_text(json.dumps(content))
    return copy


def test_bundle_has_pythons_state_key(probe: Probe, bundle: Path) -> None:
    key = PoseEstimator(bundle, backend="onnxruntime", threads=1).model.state_key
    assert probe.ask("bundle", file=str(bundle)) == key


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda c: c.update(format=3),
            "has bundle format 3, this fmmp reads 2: it was made by a newer fmmp: update fmmp",
        ),
        (lambda c: c.update(format=1), "has bundle format 1, this fmmp reads 2: export the checkpoint again"),
        (lambda c: c.pop("format"), "has bundle format none"),
        (lambda c: c.pop("shots"), "no key 'shots'"),
        (lambda c: c.update(engine=[]), 'unknown key "engine"'),
        (lambda c: c.update(more=1), 'unknown key "more"'),
        (lambda c: c.update(shots="1"), "shots must be a whole number, got string"),
        (lambda c: c.update(crop_padding=1e308), r"crop_padding must be 0.01 to 100, got 1e\+308"),
        (lambda c: c.update(keypoints=13), r"has keypoints as float32 \[1, 1, 12, 2\], expected .*13"),
    ],
)
def test_fault_of_a_bundle_is_named(
    probe: Probe, bundle: Path, tmp_path: Path, spoil: Spoil, says: str
) -> None:
    copy = change(bundle, tmp_path / "copy", spoil)
    with pytest.raises(ValueError, match=says):
        probe.ask("bundle", file=str(copy))


def test_the_limits_are_those_of_the_table(probe: Probe) -> None:
    assert probe.ask("limits") == RULES["limits"]


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_of_a_bundle_is_one_line(
    probe: Probe, bundle: Path, tmp_path: Path, lie: dict[str, Any]
) -> None:
    """As fmmp_runtime does: the same table of rules."""
    told = tell(copy_bundle(bundle, tmp_path / "copy"), lie)
    with pytest.raises(ValueError) as refusal:  # noqa: PT011  # what it says is in the table
        probe.ask("bundle", file=str(told))
    message = str(refusal.value)
    assert lie["says"] in message.removeprefix(str(told / "model.json"))
    assert message.isprintable()
    assert len(message) < 1000


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
def test_a_truth_of_a_bundle_is_taken(
    probe: Probe, bundle: Path, tmp_path: Path, truth: dict[str, Any]
) -> None:
    probe.ask("bundle", file=str(tell(copy_bundle(bundle, tmp_path / "copy"), truth)))


def test_an_engine_may_not_name_a_file_elsewhere(probe: Probe, bundle: Path, tmp_path: Path) -> None:
    texts = dict.fromkeys(("graph", "version", "arch", "plugin"), "x")
    engine = {**texts, "backend": "tensorrt", "sha256": "0" * 64, "built_from": {}, "plugin_inside": False}
    faults: list[tuple[dict[str, Any], str]] = [
        ({"graph": "../x"}, "files may only name files of the bundle"),
        ({"plugin_inside": 1}, "plugin_inside must be true or false, got int"),
        ({"file": "x"}, "unknown key .*file"),
    ]
    folder = copy_bundle(bundle, tmp_path / "copy")
    content = json.loads((folder / "model.json").read_text())
    for fault, says in faults:
        content["engines"] = [engine]
        (folder / "model.json").write_text(json.dumps(content))
        probe.ask("bundle", file=str(folder))
        content["engines"] = [{**engine, **fault}]
        (folder / "model.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match=says):
            probe.ask("bundle", file=str(folder))


def test_no_bundle(probe: Probe, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no bundle at .*nowhere: expected a folder with model.json"):
        probe.ask("bundle", file=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"is not a bundle: it has no model.json"):
        probe.ask("bundle", file=str(tmp_path))
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON, so the bundle is broken: export it again"):
        probe.ask("bundle", file=str(tmp_path))
    (tmp_path / "model.json").write_text("[]")
    with pytest.raises(ValueError, match="must hold a JSON object, got array"):
        probe.ask("bundle", file=str(tmp_path))
