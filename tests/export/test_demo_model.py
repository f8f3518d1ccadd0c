# SPDX-License-Identifier: Apache-2.0
"""The model that ships, in half precision: what `fmmp-export --fp16` promises of a trained model."""

from __future__ import annotations

from pathlib import Path

from fmmp_export.parity.verify import BACKEND
from fmmp_runtime.bundle.folder import Bundle


def test_half_precision_moves_no_keypoint_to_speak_of(demo_bundle: Path) -> None:
    model = Bundle.open(demo_bundle).model
    parity = model.parity[BACKEND]
    assert parity["p99_px"] <= 0.5
    assert abs(parity["pck_bundle"] - parity["pck_torch"]) <= 0.2  # points of PCK@0.05
    assert parity["keypoints"] > 700  # so that one of them is less than that
    assert model.score.calibrated
