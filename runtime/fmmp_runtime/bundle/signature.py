# SPDX-License-Identifier: Apache-2.0
"""Who made a bundle: an Ed25519 signature over model.json, which has the hash of every other file.

The keys are PEM files, as `openssl genpkey -algorithm ed25519 -out key.pem` and
`openssl pkey -in key.pem -pubout -out public.pem` make them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fmmp_runtime.bundle.specs import MODEL_FILE, BundleError
from fmmp_runtime.files import read_regular, write_atomically

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_FILE = f"{MODEL_FILE}.sig"  # 64 bytes
_MOST_BYTES = 1 << 16  # of a key; ours have some hundred


class SignatureError(BundleError):
    """A bundle that is not of the one whose key was given; or no such key."""


def read_private(file: Path) -> Ed25519PrivateKey:
    """The key that signs.

    Raises:
        OSError: it cannot be read.
        SignatureError: it is no Ed25519 private key, or the package cryptography is missing.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        key = serialization.load_pem_private_key(read_regular(file, _MOST_BYTES), password=None)
    except (ValueError, TypeError) as error:  # the latter: it has a password
        raise SignatureError(f"{file} is no private key in PEM without a password ({error})") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SignatureError(f"{file} is no Ed25519 key: openssl genpkey -algorithm ed25519 makes one")
    return key


def sign(bundle: Path, key: Ed25519PrivateKey) -> None:
    """Sign a bundle as it is; what changes in it afterwards is noticed.

    Raises:
        OSError: its model.json cannot be read, or the signature not written.
    """
    write_atomically(bundle / SIGNATURE_FILE, key.sign((bundle / MODEL_FILE).read_bytes()))


def check(content: bytes, bundle: Path, public: Path) -> None:
    """Refuse a bundle that the owner of a key has not signed.

    Args:
        content: of its model.json, as it is used.
        bundle: where the signature lies.
        public: file of the public key.

    Raises:
        OSError: the key cannot be read.
        SignatureError: there is no signature, or it is of another key or another model.json; no such key.
    """
    key = _read_public(public)
    from cryptography.exceptions import InvalidSignature

    file = bundle / SIGNATURE_FILE
    if not file.is_file():
        raise SignatureError(f"{bundle} is not signed: it has no {SIGNATURE_FILE} (fmmp-export --sign KEY)")
    try:
        key.verify(read_regular(file, _MOST_BYTES), content)
    except InvalidSignature:
        raise SignatureError(
            f"{bundle} is not what the owner of {public} signed: get it from them again"
        ) from None


def _read_public(file: Path) -> Ed25519PublicKey:
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    try:
        key = serialization.load_pem_public_key(read_regular(file, _MOST_BYTES))
    except ValueError as error:
        raise SignatureError(f"{file} is no public key in PEM: openssl pkey -pubout makes one") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SignatureError(f"{file} is no Ed25519 key, with which bundles are signed")
    return key


def _need_cryptography() -> None:
    try:
        import cryptography  # noqa: F401  # whether it is there
    except ModuleNotFoundError as error:
        raise SignatureError("signatures need the package cryptography: pip install 'fmmp[sign]'") from error
