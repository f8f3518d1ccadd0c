# SPDX-License-Identifier: Apache-2.0
"""A signed bundle is taken from its owner, and from nobody else."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cryptography", reason="needs the [sign] extra")
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from fmmp_runtime import PoseEstimator
from fmmp_runtime.bundle.folder import Bundle
from fmmp_runtime.bundle.signature import SIGNATURE_FILE, SignatureError, read_private, sign
from fmmp_runtime.cli import run as cli_run
from fmmp_runtime.media.image import write_image
from tests.fakes.bundle import copy_bundle

PEM = serialization.Encoding.PEM
PKCS8, SPKI = serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo


def write_keys(folder: Path, name: str) -> tuple[Path, Path]:
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(PEM, SPKI))
    return private, public


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return write_keys(tmp_path, "ours")


@pytest.fixture
def signed(bundle: Path, tmp_path: Path, keys: tuple[Path, Path]) -> Path:
    folder = copy_bundle(bundle, tmp_path / "signed")
    sign(folder, read_private(keys[0]))
    return folder


def test_of_its_owner(signed: Path, keys: tuple[Path, Path]) -> None:
    assert PoseEstimator(signed, threads=1, verify=keys[1]).model.name == "fake"
    Bundle.open(signed)  # whoever asks for no key gets no answer about one


def test_of_another(signed: Path, tmp_path: Path) -> None:
    _, public = write_keys(tmp_path, "theirs")
    with pytest.raises(SignatureError, match=r"signed is not what the owner of .*theirs\.pub signed"):
        Bundle.open(signed, public)


@pytest.mark.parametrize("spoilt", ["model.json", SIGNATURE_FILE])
def test_changed_since(signed: Path, keys: tuple[Path, Path], spoilt: str) -> None:
    file = signed / spoilt
    data = file.read_bytes()
    file.write_bytes(data[:-1] + (b" " if spoilt == "model.json" else bytes([data[-1] ^ 1])))
    with pytest.raises(SignatureError, match="is not what the owner of"):
        Bundle.open(signed, keys[1])


def test_new_weights_with_the_right_hash(signed: Path, keys: tuple[Path, Path]) -> None:
    """Whoever changes a file may leave model.json as it is, or not: either is noticed."""
    (signed / "weights.bin").write_bytes(b"others")
    with pytest.raises(ValueError, match=r"weights\.bin has changed"):
        Bundle.open(signed, keys[1])


def test_not_signed(bundle: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(SignatureError, match=r"is not signed: it has no model\.json\.sig"):
        Bundle.open(bundle, keys[1])


def test_what_is_no_key(signed: Path, tmp_path: Path, keys: tuple[Path, Path]) -> None:
    private, public = keys
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "ec.pem").write_bytes(other.private_bytes(PEM, PKCS8, serialization.NoEncryption()))
    (tmp_path / "ec.pub").write_bytes(other.public_key().public_bytes(PEM, SPKI))
    key = ed25519.Ed25519PrivateKey.generate()
    secret = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"word"))
    (tmp_path / "secret.pem").write_bytes(secret)
    for file, says in (
        (public, "no private key"),
        (tmp_path / "ec.pem", "no Ed25519 key"),
        (tmp_path / "secret.pem", "without a password"),
    ):
        with pytest.raises(SignatureError, match=says):
            read_private(file)
    for file, says in ((private, "no public key"), (tmp_path / "ec.pub", "no Ed25519 key")):
        with pytest.raises(SignatureError, match=says):
            Bundle.open(signed, file)
    with pytest.raises(FileNotFoundError):
        Bundle.open(signed, tmp_path / "none")


def test_without_the_package(signed: Path, keys: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cryptography")] + ["cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SignatureError, match=r"pip install 'fmmp\[sign\]'"):
        Bundle.open(signed, keys[1])


def test_the_command(
    bundle: Path, signed: Path, keys: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "a.png", np.zeros((90, 140, 3), np.uint8))
    (tmp_path / "a.json").write_text('{"keypoints": [[30, 20], [100, 25]]}')
    words = ["--support", str(tmp_path / "a.png"), "--annotation", str(tmp_path / "a.json")]
    words += ["--save-state", str(tmp_path / "state"), "--verify", str(keys[1])]
    assert cli_run.main([str(signed), *words]) == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        cli_run.main([str(bundle), *words])
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(f"fmmp-run: {bundle} is not signed")
