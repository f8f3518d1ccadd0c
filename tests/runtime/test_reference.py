# SPDX-License-Identifier: Apache-2.0
"""The questions that a bundle carries with PyTorch's answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmmp_runtime.backends.onnxruntime import OnnxRuntimeBackend
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.reference import Reference, compare
from fmmp_runtime.bundle.specs import REFERENCE_FILE, BundleError, Precision
from fmmp_runtime.files import sha256
from fmmp_runtime.parity import Difference, Share, faults, limits, limits_in_use
from tests.fakes.bundle import SIZE, add_reference, write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle", shots=2, batches=[3])


@pytest.mark.parametrize("graph", ["query", "query_batch3"])
def test_the_right_answers_have_no_difference(bundle: Path, graph: str) -> None:
    opened = Bundle.open(add_reference(bundle))
    found = compare(OnnxRuntimeBackend(opened, threads=1), opened.model, Reference.load(opened), graph)
    assert found.max_px < 1e-4
    assert not faults(limits_in_use(opened.model, found))


@pytest.mark.parametrize("graph", ["query", "query_batch3"])
def test_a_shift_is_found_in_its_layer_and_in_pixels(bundle: Path, graph: str) -> None:
    opened = Bundle.open(add_reference(bundle, off_by=0.01))
    found = compare(OnnxRuntimeBackend(opened, threads=1), opened.model, Reference.load(opened), graph)
    assert found.max_px == pytest.approx(0.01 * SIZE * 2**0.5, rel=1e-3)
    assert found.per_layer_max == pytest.approx([0, 0.01], abs=1e-6)
    assert "0.01, at most 0.0001" in faults(limits_in_use(opened.model, found))[0]


@pytest.mark.parametrize(("p99_px", "is_wrong"), [(0.02, False), (0.03, True), (float("nan"), True)])
def test_cells_of_a_heat_map_may_be_others_now_and_then(bundle: Path, p99_px: float, is_wrong: bool) -> None:
    model = replace(Bundle.open(bundle).model, answer="cells")
    difference = Difference(max_px=40, p99_px=p99_px, per_layer_max=[0.2], score_max=0)
    assert bool(faults(limits_in_use(model, difference))) == is_wrong
    share = Share(torch=50.0, bundle=50.0, pairs=48)
    assert bool(faults(limits("fp32", difference, share, "cells"))) == is_wrong
    assert faults(limits("fp32", difference, share))
    assert faults(limits("fp32", replace(difference, p99_px=0), replace(share, bundle=50.3), "cells"))


@pytest.mark.parametrize(
    ("precision", "p99_px", "layer_max", "score_max", "is_wrong"),
    [
        ("fp32", 0, 9e-5, 0.09, False),
        ("fp32", 0, float("nan"), 0, True),
        ("fp32", 0, 0, 0.11, True),
        ("fp16", 0.4, 1, 0.29, False),
        ("fp16", 0.6, 0, 0, True),
        ("fp16", 0, 0, float("nan"), True),
        ("int8", 7, 1, 0.29, False),
        ("int8", 9, 1, 0, True),
        ("int8", 7, 1, 0.31, True),
    ],
)
def test_each_precision_has_its_limit(
    bundle: Path, precision: Precision, p99_px: float, layer_max: float, score_max: float, is_wrong: bool
) -> None:
    exported = {"max_px": 40.0, "p99_px": 4.0, "score_max": 0.15}
    model = replace(Bundle.open(bundle).model, precision=precision, parity={"any": exported})
    difference = Difference(max_px=99, p99_px=p99_px, per_layer_max=[layer_max], score_max=score_max)
    assert bool(faults(limits_in_use(model, difference))) == is_wrong


def test_a_bundle_that_says_nothing_of_its_export_is_named(bundle: Path) -> None:
    model = replace(Bundle.open(bundle).model, precision="int8", parity={"any": {"p99_px": "4"}})
    difference = Difference(max_px=0, p99_px=0, per_layer_max=[0], score_max=0)
    with pytest.raises(BundleError, match="says no p99_px: export it again"):
        limits_in_use(model, difference)


def test_a_wrong_score_is_found(bundle: Path) -> None:
    opened = Bundle.open(add_reference(bundle))
    reference = Reference.load(opened)
    other = replace(reference, score=reference.score + np.float32(0.2))
    found = compare(OnnxRuntimeBackend(opened, threads=1), opened.model, other)
    assert found.score_max == pytest.approx(0.2, abs=1e-3)
    assert "score is 0.2" in faults(limits_in_use(opened.model, found))[0]


def test_a_bundle_without_one_says_what_to_do(bundle: Path) -> None:
    with pytest.raises(BundleError, match="export it again"):
        Reference.load(Bundle.open(bundle))


def test_a_file_with_other_tensors_is_refused(bundle: Path) -> None:
    opened = Bundle.open(add_reference(bundle))
    from safetensors.numpy import save_file

    save_file({"points": np.zeros(3)}, bundle / REFERENCE_FILE)
    files = opened.model.files | {REFERENCE_FILE: sha256(bundle / REFERENCE_FILE)}
    replace(opened.model, files=files).write(bundle)
    with pytest.raises(BundleError, match=r"holds \['points'\]"):
        Reference.load(Bundle.open(bundle))


def test_a_changed_byte_is_refused(bundle: Path) -> None:
    path = add_reference(bundle) / REFERENCE_FILE
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(BundleError, match=REFERENCE_FILE):
        Bundle.open(bundle)


def test_no_engine_depends_on_it(bundle: Path) -> None:
    assert REFERENCE_FILE not in Bundle.open(add_reference(bundle)).built_from("query")
