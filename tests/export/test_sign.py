# SPDX-License-Identifier: Apache-2.0
"""`fmmp-export --sign` on a bundle that is there; a key that is none is said before any work."""

from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="needs the [sign] extra")
pytest.importorskip("rich", reason="needs the [export] extra")

from fmmp_export.bundle import check_free
from fmmp_export.cli.export import main
from fmmp_runtime.bundle.folder import Bundle
from tests.fakes.bundle import write_bundle
from tests.runtime.test_signature import write_keys


def test_a_bundle_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    private, public = write_keys(tmp_path, "ours")
    assert main(["--bundle", str(bundle), "--sign", str(private)]) == 0
    assert capsys.readouterr().out == f"{bundle}: signed with {private}\n"
    Bundle.open(bundle, public)
    check_free(bundle)  # a signature is part of what may be replaced


def test_a_key_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key.pem").write_text("none")
    with pytest.raises(SystemExit) as ended:
        main(["--ckpt", "nowhere.pth", "--sign", str(tmp_path / "key.pem")])
    assert ended.value.code == 1
    assert "is no private key in PEM" in capsys.readouterr().err
