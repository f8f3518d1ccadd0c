# SPDX-License-Identifier: Apache-2.0
"""The text of an annotation file, and its JSON: bounded, in any Unicode encoding, no key twice."""

import json
from pathlib import Path
from typing import Any

from fmmp_runtime.files import read_regular
from fmmp_runtime.pose import AnnotationError

MOST_BYTES = 1 << 30  # COCO's largest file of keypoints has a quarter of it
_BINARY = {
    b"\x89HDF": "an HDF5 file, as SLEAP (.slp, .h5) and DeepLabCut (.h5) write: save it as COCO with the "
    "package sleap-io, or give DeepLabCut's CollectedData csv",
    b"PK\x03\x04": "an archive: unpack it first",
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"\xff\xd8": "a JPEG picture: the annotation is wanted",
    b"\x89PNG": "a PNG picture: the annotation is wanted",
    b"%PDF": "a PDF",
}


def read_text(file: Path) -> tuple[str, list[str]]:
    """The text of a file, and a note where it is in UTF-16 or UTF-32; a byte order mark is no fault.

    Raises:
        OSError: it cannot be read, or is no regular file.
        AnnotationError: it is no text.
    """
    data = read_regular(file, MOST_BYTES)
    for start, kind in _BINARY.items():
        if data.startswith(start):
            raise AnnotationError(f"{file} is not JSON: it is {kind}")
    encoding = json.detect_encoding(data)
    wide = encoding.replace("utf", "UTF").removesuffix("-le").removesuffix("-be")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{file} is not JSON: not even text in {wide} ({error.reason})") from error
    return text, [] if encoding.startswith("utf-8") else [f"{file.name} is in {wide}, read as such"]


def parse_json(text: str, name: str) -> Any:  # noqa: ANN401  # whatever the JSON holds
    """The content of a JSON text.

    Raises:
        AnnotationError: it is none, nested too deeply, or says a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise AnnotationError(f"{name} is not JSON that can be read: it is nested too deeply") from error
    except ValueError as error:
        raise AnnotationError(f"{name} is not JSON: {error}") from error


def shorten(value: object) -> str:
    """A wrong value in a message: JSON, of at most 80 characters."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__
    return text if len(text) <= 80 else text[:77] + "..."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return content
