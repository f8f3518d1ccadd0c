# SPDX-License-Identifier: Apache-2.0
"""What a file of weights is, by its first bytes and not by its name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

Kind = Literal["torch", "safetensors"]
_NAMED = 3  # members of an archive that a message names


def kind_of(path: Path) -> Kind:
    """Whether `torch.save` or safetensors wrote a file.

    Raises:
        ValueError: neither did; says what it is.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start[8:9] == b"{":  # behind the length of the header
        return "safetensors"
    if start.startswith(b"\x80"):  # a pickle, as before PyTorch 1.6
        return "torch"
    if start.startswith(b"PK"):
        others = _foreign(path)
        if not others:
            return "torch"
        kind = f"a zip archive that torch.save did not write: it holds {', '.join(others[:_NAMED])}"
    elif not start:
        kind = "an empty file, so truncated: download it again"
    elif start.startswith(b"\x1f\x8b"):
        kind = "a gzip archive: unpack it first"
    elif start.startswith(b"version https://git-lfs"):
        kind = "a Git LFS pointer to one: git lfs pull fetches it"
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        kind = "a web page: download the file itself"
    elif start.isascii() and start.decode().replace("\n", " ").replace("\t", " ").isprintable():
        kind = "text"
    else:
        kind = f"a file that begins with the bytes {start[:4].hex(' ')}"
    raise ValueError(f"{path} is no checkpoint but {kind}")


def _foreign(path: Path) -> list[str]:
    """The members of a zip archive of somebody else's; none where it is torch's, or too damaged to say."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError):
        return []
    return [] if any(name.endswith("/data.pkl") for name in names) else names or ["nothing"]
