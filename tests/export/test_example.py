# SPDX-License-Identifier: Apache-2.0
"""The example of docs/examples that exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project.test_docs import run


@pytest.mark.slow
def test_export_model(checkpoint: Path, tmp_path: Path) -> None:
    said = run("export_model.py", checkpoint, tmp_path / "bundle")
    assert "pixels from PyTorch" in said
    assert (tmp_path / "bundle" / "model.json").is_file()
