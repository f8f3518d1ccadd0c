# SPDX-License-Identifier: Apache-2.0
"""Finding the compiled operator."""

from pathlib import Path

import pytest

from fmmp_runtime import operators


@pytest.mark.parametrize("kind", ["onnxruntime", "tensorrt"])
def test_own_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("FMMP_LIBRARY_DIR", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(FileNotFoundError, match=rf"libfmmp_{kind}\.so is not in .*pip install \.") as error:
        operators.library(kind)
    assert str(tmp_path) in str(error.value)
    (tmp_path / f"libfmmp_{kind}.so").touch()
    assert operators.library(kind) == tmp_path / f"libfmmp_{kind}.so"


def test_found_beside_the_package_or_in_site_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FMMP_LIBRARY_DIR", raising=False)
    monkeypatch.setattr(operators, "__file__", str(tmp_path / "source" / "operators.py"))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "site"))
    monkeypatch.setattr("sys.platform", "darwin")
    for folder in (tmp_path / "site" / "fmmp_runtime" / "lib", tmp_path / "source" / "lib"):
        folder.mkdir(parents=True)
        (folder / "libfmmp_tensorrt.dylib").touch()
        assert operators.library("tensorrt").parent == folder


def test_windows_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMMP_LIBRARY_DIR", str(tmp_path))
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(FileNotFoundError, match=r"^fmmp_onnxruntime\.dll"):
        operators.library("onnxruntime")


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="one of onnxruntime, tensorrt, got 'cuda'"):
        operators.library("cuda")
