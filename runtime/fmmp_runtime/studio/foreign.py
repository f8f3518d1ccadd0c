# SPDX-License-Identifier: Apache-2.0
"""Annotation files of other tools for the page: what `fmmp-run --annotation` reads, as our own JSON."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from fmmp_runtime.annotation import Annotation, read_annotation
from fmmp_runtime.pose import AnnotationError
from fmmp_runtime.settings import parse
from fmmp_runtime.studio.project import ProjectFolder

MOST_ANNOTATION_BYTES = 64 * 2**20


def read_foreign(body: bytes, project: ProjectFolder) -> dict[str, Any]:
    """Read a file about some of a project's pictures.

    It is read in a new folder, under names of our own alphabet: names from a page decide nothing else.

    Args:
        body: JSON {"name", "text", "pictures": [{"key", "name"}, ...]}: the file, whose ending may tell its
            format, and the pictures that it may be about.
        project: that holds the pictures.

    Returns:
        {"objects": [{"name", "content"}, ...], "notes": [...]}; the content is our own JSON.

    Raises:
        ValueError: nothing in it is about these pictures, or it can't be read; says why.
    """
    name, text, pictures = _asked(body)
    about = [each for each in pictures if _stem(each[1]) == _stem(name) or _stem(each[1]) in text]
    objects: list[dict[str, Any]] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "annotation" / _plain(name)
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
        for key, picture in about or pictures[:1]:
            image = Path(folder) / _plain(picture)
            shutil.copyfile(project.picture(key), image)
            try:
                found = read_annotation(file, image)
            except AnnotationError as error:
                notes.append(str(error).replace(str(file), name))
            else:
                objects.append({"name": name, "content": _own(found, picture)})
                notes += found.notes
            image.unlink()
    if not objects:
        raise ValueError(notes[0] if notes else f"{name}: add the pictures that it is about first")
    return {"objects": objects, "notes": notes}


def _asked(body: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """Name and text of the file, key and name of each picture."""
    try:
        asked = parse(body)
        pictures = [(str(each["key"]), str(each["name"])) for each in asked["pictures"]]
        return str(asked["name"]), str(asked["text"]), pictures
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a question of fmmp-studio's page: {type(error).__name__} {error}") from error


def _own(annotation: Annotation, picture: str) -> dict[str, Any]:
    rows = zip(annotation.keypoints.tolist(), annotation.visible.tolist(), strict=True)
    content: dict[str, Any] = {
        "image": picture,
        "keypoints": [[*at, 2 if shown else 0] for at, shown in rows],
    }
    for key in ("names", "links", "box"):
        if getattr(annotation, key) is not None:
            content[key] = getattr(annotation, key)
    return content


def _plain(name: str) -> str:
    """The last part of a name, in letters that are no path anywhere."""
    return re.sub(r"[^\w.-]", "_", re.split(r"[\\/]", name)[-1]).lstrip(".")[-100:] or "file"


def _stem(name: str) -> str:
    return Path(_plain(name)).stem
