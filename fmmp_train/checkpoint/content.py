# SPDX-License-Identifier: Apache-2.0
"""What a file of weights is, by its first bytes and not by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Kind = Literal["torch", "safetensors"]


def kind_of(path: Path) -> Kind:
    """Whether `torch.save` or safetensors wrote a file.

    Raises:
        ValueError: neither did; says what it is.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start[8:9] == b"{":  # behind the length of the header
        return "safetensors"
    if start.startswith((b"PK", b"\x80")):  # a zip archive; a pickle, as before PyTorch 1.6
        return "torch"
    if not start:
        kind = "an empty file, so truncated: download it again"
    elif start.startswith(b"version https://git-lfs"):
        kind = "a Git LFS pointer to one: git lfs pull fetches it"
    elif start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        kind = "a web page: download the file itself"
    elif start.isascii() and start.decode().replace("\n", " ").replace("\t", " ").isprintable():
        kind = "text"
    else:
        kind = f"a file that begins with the bytes {start[:4].hex(' ')}"
    raise ValueError(f"{path} is no checkpoint but {kind}")
