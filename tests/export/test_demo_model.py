# SPDX-License-Identifier: Apache-2.0
"""The model that ships, in half precision: what `fmmp-export --fp16` promises of a trained model."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmmp_export.demo import MODELS, find_checkpoint
from fmmp_export.export import export_bundle
from fmmp_export.parity.verify import BACKEND


@pytest.mark.skipif(not (MODELS / "manifest.json").is_file(), reason="no models/ in this source tree")
def test_half_precision_moves_no_keypoint_to_speak_of(tmp_path: Path) -> None:
    made = export_bundle(find_checkpoint(MODELS), tmp_path / "demo-fp16", precision="fp16")
    parity = made.model.parity[BACKEND]
    assert parity["p99_px"] <= 0.5
    assert abs(parity["pck_bundle"] - parity["pck_torch"]) <= 0.2  # points of PCK@0.05
    assert parity["keypoints"] > 700  # so that one of them is less than that
    assert made.model.score.calibrated
